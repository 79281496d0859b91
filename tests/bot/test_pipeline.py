"""What happens to a message after it is stored."""

import asyncio

import msgspec
import pytest

from bot.domain import Author, ConversationState, Decision, MessageKind
from bot.errors import StorageUnavailable
from bot.handover import Action
from bot.store import Reply

QUESTION = "How do I change the delivery address of my order?"
ANSWER = "Open the order, press Address and type the new one."


@pytest.fixture
async def automatic(talk):
    """A category in which the bot may answer."""
    await talk.teach(ANSWER, QUESTION, "delivery", language="en")
    await talk.store.knowledge.set_category("delivery", True, 0.8)
    return talk


async def test_what_cannot_be_stored_is_refused_and_not_announced(talk, monkeypatch):
    async def full(_):
        raise StorageUnavailable

    monkeypatch.setattr(talk.store.conversations, "receive", full)
    before = talk.bus.last_id
    with pytest.raises(StorageUnavailable):
        await talk.say(QUESTION)
    assert talk.bus.last_id == before


async def test_a_broken_model_still_brings_the_message_to_a_person(talk, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("weights")

    monkeypatch.setattr(talk.serving.answerer, "suggest_many", broken)
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    assert await talk.state(receipt) is ConversationState.OPEN
    assert await talk.store.conversations.unprocessed() == []


async def test_a_full_disk_delays_suggestions_and_loses_none(talk, monkeypatch):
    settle = talk.store.conversations.settle
    failures = iter([True])

    async def once_full(*args):
        if next(failures, False):
            raise StorageUnavailable
        return await settle(*args)

    monkeypatch.setattr(talk.store.conversations, "settle", once_full)
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    assert await talk.store.conversations.suggestions(receipt.message_id) is not None
    assert len(talk.heard()) == 1


async def test_a_full_disk_in_the_middle_of_a_burst_loses_none_of_it(automatic, monkeypatch):
    intake = automatic.store.conversations.intake
    await automatic.say("Hello!")
    await asyncio.sleep(0.02)  # gathered, not yet due
    failures = iter([True])

    async def once_full(asked):
        if next(failures, False):
            raise StorageUnavailable
        return await intake(asked)

    monkeypatch.setattr(automatic.store.conversations, "intake", once_full)
    await automatic.say(QUESTION)
    await automatic.quiet()
    assert await automatic.store.conversations.unprocessed() == []
    assert len(automatic.heard()) == 1


async def test_a_step_that_breaks_is_tried_again(talk, monkeypatch):
    settle = talk.store.conversations.settle
    failures = iter([True])

    async def once_broken(key, decide):
        def broken(held):
            decide(held)
            raise RuntimeError("bug")

        return await settle(key, broken if next(failures, False) else decide)

    monkeypatch.setattr(talk.store.conversations, "settle", once_broken)
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    assert await talk.state(receipt) is ConversationState.OPEN
    assert len(talk.heard()) == 1


async def test_a_message_is_stored_announced_suggested_and_handed_over(talk):
    article = await talk.teach(ANSWER, QUESTION, "delivery", language="en")
    news = talk.bus.subscribe({"desk"})
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    news.close()
    names = [event.name async for event in news]
    assert names.index("message.new") < names.index("suggestions.ready")
    suggestions, decision = await talk.store.conversations.suggestions(receipt.message_id)
    assert suggestions.items[0].answer_id == article.id
    assert suggestions.elapsed_ms > 0
    assert decision is Decision.HANDOFF
    assert await talk.state(receipt) is ConversationState.OPEN


async def test_a_duplicate_is_acknowledged_and_nothing_else(talk):
    inbound = talk.channel.message("hello there", customer="anna", now=talk.clock())
    await talk.pipeline.receive(inbound)
    await talk.quiet()
    before = talk.bus.last_id
    assert (await talk.pipeline.receive(inbound)).duplicate
    await talk.quiet()
    assert talk.bus.last_id == before
    assert len(talk.heard()) == 1


async def test_a_person_will_answer_is_said_once_on_each_hand_over(talk):
    receipt = await talk.say("Где мой заказ?")
    await talk.quiet()
    await talk.say("Алло?")
    await talk.say("Вы тут?")
    await talk.quiet()
    assert len(talk.heard()) == 1
    assert "человеку" in talk.heard()[0]
    await talk.store.conversations.act(receipt.conversation_id, Action.RETURNED_TO_BOT)
    await talk.say("И ещё вопрос")
    await talk.quiet()
    assert len(talk.heard()) == 2


async def test_suggestions_take_milliseconds_when_nothing_may_be_answered_automatically(talk):
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    suggestions, _ = await talk.store.conversations.suggestions(receipt.message_id)
    # Far below the quiet time of a burst: nobody waits for it here.
    assert suggestions.elapsed_ms < 1000
    assert talk.pipeline.health()["suggestion_ms_p50"] > 0


async def test_the_bot_answers_where_the_category_says_so(automatic):
    receipt = await automatic.say(QUESTION)
    await automatic.quiet()
    assert automatic.heard() == [ANSWER]
    assert await automatic.state(receipt) is ConversationState.BOT
    _, decision = await automatic.store.conversations.suggestions(receipt.message_id)
    assert decision is Decision.ANSWER
    assert automatic.channel.sent[0].author is Author.BOT


async def test_a_burst_is_answered_once_and_as_a_whole(automatic):
    receipts = [await automatic.say(text) for text in ("Hello!", "a quick one", QUESTION)]
    await automatic.quiet()
    assert len(automatic.heard()) == 1
    assert await automatic.store.conversations.unprocessed() == []
    for receipt in receipts:
        assert await automatic.store.conversations.suggestions(receipt.message_id) is not None


async def test_a_low_confidence_goes_to_a_person(automatic):
    receipt = await automatic.say("my parcel smells of fish")
    await automatic.quiet()
    assert await automatic.state(receipt) is ConversationState.OPEN
    assert automatic.channel.sent[0].author is Author.SYSTEM


async def test_a_person_who_took_it_is_not_talked_over(automatic):
    receipt = await automatic.say(QUESTION)
    await automatic.store.conversations.act(receipt.conversation_id, Action.AGENT_TOOK)
    await automatic.quiet()
    assert automatic.heard() == []
    _, decision = await automatic.store.conversations.suggestions(receipt.message_id)
    assert decision is Decision.SUGGEST


async def test_a_customer_who_asks_for_a_person_gets_one(automatic):
    receipt = await automatic.say(QUESTION, wants_person=True)
    await automatic.quiet()
    assert await automatic.state(receipt) is ConversationState.OPEN
    assert automatic.channel.sent[0].author is Author.SYSTEM


async def test_a_question_with_a_picture_is_not_answered_unseen(automatic):
    receipt = await automatic.say(QUESTION, kind=MessageKind.PHOTO)
    await automatic.quiet()
    assert await automatic.state(receipt) is ConversationState.OPEN


async def test_an_article_of_another_language_is_suggested_and_not_sent(talk):
    await talk.teach("Откройте заказ и нажмите «Адрес».", QUESTION, "delivery", language="ru")
    await talk.store.knowledge.set_category("delivery", True, 0.5)
    receipt = await talk.say(QUESTION)
    await talk.quiet()
    assert await talk.state(receipt) is ConversationState.OPEN


async def test_unprocessed_messages_are_taken_up_after_a_crash(talk):
    await talk.stop()
    inbounds = [talk.channel.message(f"question {n}", customer=f"c{n}") for n in range(30)]
    receipts = await talk.store.conversations.receive(inbounds)
    talk.renew()
    await talk.start()
    await talk.quiet()
    assert await talk.store.conversations.unprocessed() == []
    assert len(talk.channel.sent) == len(receipts)


async def test_a_crash_after_the_answer_does_not_answer_again(automatic, monkeypatch):
    settle = automatic.store.conversations.settle

    async def crash(key, decide):
        await settle(key, decide)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(automatic.store.conversations, "settle", crash)
        await automatic.say(QUESTION)
        async with asyncio.timeout(5):
            while await automatic.store.conversations.unprocessed():
                await asyncio.sleep(0.01)
        await automatic.stop()
    automatic.renew()
    await automatic.start()
    await automatic.quiet()
    assert automatic.heard() == [ANSWER]
    assert await automatic.store.conversations.unprocessed() == []


async def test_an_edit_of_an_answered_message_is_not_answered_again(automatic):
    receipt = await automatic.say(QUESTION)
    await automatic.quiet()
    message = await automatic.store.conversations.message(receipt.message_id)
    await automatic.say(
        QUESTION + " Please.", external_id="edit-1", edits_external_id=message.external_id
    )
    await automatic.quiet()
    assert automatic.heard() == [ANSWER]


async def edit(talk, receipt, text):
    """The customer edits a message."""
    message = await talk.store.conversations.message(receipt.message_id)
    name = f"edit-{message.external_id}-{text}"
    return await talk.say(text, external_id=name, edits_external_id=message.external_id)


@pytest.mark.parametrize("talk", [1.0], indirect=True)  # far longer than a busy machine's pauses
async def test_edits_within_a_burst_lead_to_one_answer(automatic):
    receipts = [await automatic.say(text) for text in ("Hello!", "a quick one", QUESTION)]
    for receipt in receipts:
        await edit(automatic, receipt, f"{QUESTION} {receipt.message_id}")
        await asyncio.sleep(0.4)
    await automatic.quiet()
    assert automatic.heard() == [ANSWER]
    assert await automatic.store.conversations.unprocessed() == []


async def test_an_old_edit_beside_a_new_message_brings_no_answer_again(automatic):
    first = await automatic.say(QUESTION)
    await automatic.quiet()
    await edit(automatic, first, QUESTION + " Please.")
    second = await automatic.say("my parcel smells of fish")
    await automatic.quiet()
    assert automatic.heard().count(ANSWER) == 1
    # What is new is not forgotten over the old.
    assert await automatic.state(second) is ConversationState.OPEN


@pytest.mark.parametrize("edited_first", [True, False])
async def test_a_new_question_beside_an_old_edit_is_answered(automatic, edited_first):
    other, its_answer = "When is the shop open on Sundays?", "From ten to six."
    await automatic.teach(its_answer, other, "delivery", language="en")
    first = await automatic.say(QUESTION)
    await automatic.quiet()
    if edited_first:
        await edit(automatic, first, QUESTION + " Please.")
    second = await automatic.say(other)
    if not edited_first:
        await edit(automatic, first, QUESTION + " Please.")
    await automatic.quiet()
    assert automatic.heard() == [ANSWER, its_answer]
    assert (
        automatic.channel.sent[-1].reply_to_external_id
        == (await automatic.store.conversations.message(second.message_id)).external_id
    )


async def test_an_edit_far_behind_an_answer_is_not_answered_again(automatic):
    inbounds = [
        automatic.channel.message(text, customer="anna", now=automatic.clock())
        for text in ("Hello!", *(f"line {n}" for n in range(60)), QUESTION)
    ]
    first, *_ = await automatic.store.conversations.receive(inbounds)
    await automatic.store.conversations.reply(
        first.conversation_id, Reply(text=ANSWER, author=Author.BOT)
    )
    await edit(automatic, first, QUESTION)
    await automatic.quiet()
    assert automatic.heard() == [ANSWER]


async def test_a_full_disk_at_the_answer_forgets_no_message_of_the_burst(automatic, monkeypatch):
    settle = automatic.store.conversations.settle
    failures = iter([True, True])

    async def twice_full(*args):
        if next(failures, False):
            raise StorageUnavailable
        return await settle(*args)

    monkeypatch.setattr(automatic.store.conversations, "settle", twice_full)
    await automatic.say("Hello!")
    await automatic.say(QUESTION)
    await automatic.quiet()
    assert await automatic.store.conversations.unprocessed() == []
    assert len(automatic.heard()) == 1


async def test_commands_are_answered_without_calling_a_person(talk):
    receipt = await talk.say("/start")
    await talk.say("/help")
    await talk.quiet()
    assert len(talk.heard()) == 2
    assert talk.settings.company in talk.heard()[0]
    assert await talk.state(receipt) is ConversationState.BOT


async def test_a_sticker_gets_a_friendly_word(talk):
    receipt = await talk.say("sticker 🙂", kind=MessageKind.UNSUPPORTED, language="ru")
    await talk.quiet()
    assert "стикер" in talk.heard()[0]
    assert await talk.state(receipt) is ConversationState.BOT


async def test_outside_the_hours_the_customer_hears_when_once_a_day(talk, clock):
    hours = msgspec.structs.replace(talk.settings.hours, enabled=True, timezone="Europe/Moscow")
    await talk.stop()
    talk.settings = msgspec.structs.replace(talk.settings, hours=hours)
    clock.now = 1_799_953_200.0  # Thursday 14 January 2027, 22:00 in Moscow
    talk.renew()
    await talk.start()
    await talk.say("Где мой заказ?")
    await talk.quiet()
    await talk.say("Ау")
    await talk.quiet()
    assert len(talk.heard()) == 1
    assert "завтра после 09:00 (MSK)" in talk.heard()[0]


async def test_a_snoozed_conversation_wakes_by_itself(talk, clock):
    receipt = await talk.say("hello")
    await talk.quiet()
    await talk.store.conversations.act(
        receipt.conversation_id, Action.SNOOZED, snoozed_until=clock() + 60
    )
    clock.advance(61)
    await talk.stop()
    talk.renew()
    await talk.start()
    async with asyncio.timeout(5):
        while await talk.state(receipt) is not ConversationState.OPEN:
            await asyncio.sleep(0.01)


async def test_stopping_under_load_loses_nothing(automatic):
    stored = []

    async def load():
        for number in range(60):
            receipt = await automatic.say(f"question {number}", customer=f"c{number % 9}")
            stored.append(receipt)

    loading = asyncio.create_task(load())
    await asyncio.sleep(0.05)
    await automatic.stop()
    await loading
    automatic.renew()
    await automatic.start()
    await automatic.quiet()
    assert len({receipt.message_id for receipt in stored}) == 60
    for receipt in stored:
        assert await automatic.store.conversations.suggestions(receipt.message_id) is not None


async def test_an_agents_reply_ends_the_bots_turn(automatic):
    receipt = await automatic.say("hello")
    agent = await automatic.store.people.create_agent("olga", "Olga")
    await automatic.store.conversations.reply(
        receipt.conversation_id, Reply(text="Hi", author=Author.AGENT, agent_id=agent.id)
    )
    await automatic.say(QUESTION)
    await automatic.quiet()
    assert ANSWER not in automatic.heard()
