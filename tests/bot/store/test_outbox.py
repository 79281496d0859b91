import pytest

from bot.domain import Author, ConversationState, Delivery
from bot.errors import Conflict, NotFound
from bot.handover import Action
from bot.store import Reply


@pytest.fixture
async def send(store, conversation, agent):
    """Puts a reply into the outbox."""

    async def put(text="Ответ", author=Author.AGENT, **fields):
        reply = Reply(text, author, agent.id if author is Author.AGENT else None, **fields)
        key = fields.pop("conversation_id", conversation.conversation_id)
        return await store.conversations.reply(key, reply)

    return put


async def state(store, message):
    return (await store.conversations.message(message.id)).delivery


async def test_deciding_on_what_is_not_in_doubt_is_refused(store, send):
    message = await send()
    for decide in (store.outbox.resend, store.outbox.mark_delivered, store.outbox.dismiss):
        with pytest.raises(Conflict):
            await decide(message.outbox_id)
        with pytest.raises(NotFound):
            await decide(999)


async def test_held_until_the_window_has_passed(store, send, clock):
    message = await send(hold_s=5)
    assert await store.outbox.due(clock() + 4.9, 10) == []
    assert await store.outbox.start([message.outbox_id], clock() + 4.9) == []
    [row] = await store.outbox.due(clock() + 5, 10)
    assert (row.id, row.recipient, row.channel, row.state) == (
        message.outbox_id,
        "ivan",
        "memory",
        Delivery.HELD,
    )


async def test_one_at_a_time_in_order_per_conversation(store, send, inbound, clock, agent):
    first, second = await send("1"), await send("2")
    [other] = await store.conversations.receive([inbound(customer="olga")])
    third = await store.conversations.reply(
        other.conversation_id, Reply("3", Author.AGENT, agent.id)
    )
    assert [row.text for row in await store.outbox.due(clock(), 10)] == ["1", "3"]
    await store.outbox.start([first.outbox_id, third.outbox_id], clock())
    assert await store.outbox.due(clock(), 10) == []
    assert await store.outbox.next_due_at() is None
    await store.outbox.finish(first.outbox_id, "tg-1")
    assert [row.text for row in await store.outbox.due(clock(), 10)] == ["2"]
    assert (await store.conversations.message(first.id)).external_id == "tg-1"
    assert await state(store, second) is Delivery.QUEUED


async def test_a_retry_holds_back_what_follows(store, send, clock):
    first, _ = await send("1"), await send("2")
    [row] = await store.outbox.start([first.outbox_id], clock())
    assert (row.state, row.attempts) == (Delivery.SENDING, 1)
    await store.outbox.fail(first.outbox_id, "network", False, clock() + 10)
    assert await store.outbox.due(clock() + 9, 10) == []
    assert await store.outbox.next_due_at() == clock() + 10
    [row] = await store.outbox.start([first.outbox_id], clock() + 10)
    assert row.attempts == 2


async def test_final_failure_is_shown_and_lets_the_next_pass(store, send, clock, conversation):
    first, _ = await send("1"), await send("2")
    await store.outbox.start([first.outbox_id], clock())
    await store.outbox.fail(first.outbox_id, "blocked", True)
    message = await store.conversations.message(first.id)
    assert (message.delivery, message.delivery_error) == (Delivery.FAILED, "blocked")
    assert [row.text for row in await store.outbox.due(clock(), 10)] == ["2"]
    assert (await store.conversations.get(conversation.conversation_id)).uncertain == 1
    assert (await store.conversations.counts(None))["uncertain"] == 1
    await store.outbox.dismiss(first.outbox_id)
    assert (await store.conversations.counts(None))["uncertain"] == 0


async def test_started_twice_is_sent_once(store, send, clock):
    message = await send()
    first = await store.outbox.start([message.outbox_id, message.outbox_id], clock())
    assert len(first) == 1
    assert await store.outbox.start([message.outbox_id], clock()) == []


async def test_bot_is_cancelled_when_a_person_took_over(store, send, conversation, agent, clock):
    key = conversation.conversation_id
    waiting = (await store.conversations.get(key)).waiting_since
    message = await send("Я бот", Author.BOT)
    assert (await store.conversations.get(key)).waiting_since is None
    await store.conversations.act(key, Action.AGENT_TOOK, agent_id=agent.id)
    assert await store.outbox.start([message.outbox_id], clock()) == []
    assert await state(store, message) is Delivery.CANCELLED
    after = await store.conversations.get(key)
    assert (after.state, after.waiting_since) == (ConversationState.TAKEN, waiting)
    assert after.last_text == "Как оплатить заказ?"


async def test_system_text_goes_out_whoever_has_the_conversation(store, send, conversation, clock):
    message = await send("Человек ответит", Author.SYSTEM)
    await store.conversations.act(conversation.conversation_id, Action.PERSON_WANTED)
    assert len(await store.outbox.start([message.outbox_id], clock())) == 1


async def test_crash_in_flight_is_uncertain_and_never_repeated(store, send, conversation, clock):
    message = await send()
    await store.outbox.start([message.outbox_id], clock())
    assert await store.outbox.recover() == 1
    assert await store.outbox.recover() == 0
    assert await store.outbox.due(clock() + 1e6, 10) == []
    shown = await store.conversations.get(conversation.conversation_id)
    assert shown.uncertain == 1
    assert [item.id for item in (await store.conversations.queue("uncertain", None)).items] == [
        shown.id
    ]
    await store.outbox.resend(message.outbox_id)
    assert [row.id for row in await store.outbox.due(clock(), 10)] == [message.outbox_id]


@pytest.mark.parametrize("recovered_first", [True, False])
async def test_exactly_once_channel_sends_again_by_itself(store, send, clock, recovered_first):
    message = await send()
    await store.outbox.start([message.outbox_id], clock())
    if recovered_first:
        await store.outbox.recover()
    assert await store.outbox.recover_exactly_once("telegram") == 0
    assert await store.outbox.recover_exactly_once("memory") == 1
    assert [row.id for row in await store.outbox.due(clock(), 10)] == [message.outbox_id]


async def test_person_says_it_arrived(store, send, clock):
    message = await send()
    await store.outbox.start([message.outbox_id], clock())
    await store.outbox.uncertain(message.outbox_id)
    assert await state(store, message) is Delivery.UNCERTAIN
    await store.outbox.mark_delivered(message.outbox_id)
    assert await state(store, message) is Delivery.SENT


async def test_seen_marks_only_what_was_sent(store, send, conversation, clock):
    first, second = await send("1"), await send("2")
    await store.outbox.start([first.outbox_id], clock())
    await store.outbox.finish(first.outbox_id, None)
    assert await store.outbox.mark_seen(conversation.conversation_id, second.id) == [
        first.outbox_id
    ]
    assert await state(store, first) is Delivery.READ
    assert await state(store, second) is Delivery.QUEUED


async def test_late_news_do_not_wake_a_cancelled_row(store, send, clock):
    message = await send(hold_s=5)
    await store.conversations.undo(message.id, None)
    await store.outbox.finish(message.outbox_id, "x")
    await store.outbox.fail(message.outbox_id, "network", False, clock())
    assert await state(store, message) is Delivery.CANCELLED
