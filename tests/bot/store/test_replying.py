import asyncio

import pytest

from bot.domain import Author, ConversationState, Delivery, MessageKind, Verdict, VerdictRecord
from bot.errors import Conflict, InvalidTransition, NotFound
from bot.handover import Action
from bot.store import Reply


@pytest.fixture
def verdict(conversation, agent, clock):
    def build(kind=Verdict.ACCEPTED, answer_id=1):
        return VerdictRecord(
            conversation.message_id, answer_id, 1, kind, agent.id, clock(), 0.7, "v1", 0, ""
        )

    return build


async def test_reply_to_nothing_is_refused(store, agent):
    with pytest.raises(NotFound):
        await store.conversations.reply(5, Reply("x", Author.AGENT, agent.id))


async def test_bot_is_silent_once_a_person_has_it(store, conversation, agent):
    key = conversation.conversation_id
    await store.conversations.act(key, Action.AGENT_TOOK, agent_id=agent.id)
    with pytest.raises(InvalidTransition):
        await store.conversations.reply(key, Reply("x", Author.BOT))
    assert len(await store.conversations.messages(key)) == 1


async def test_failed_verdict_leaves_no_reply(store, conversation, agent, verdict):
    key = conversation.conversation_id
    wrong = VerdictRecord(999, 1, 1, Verdict.ACCEPTED, agent.id, 0.0, 0.5, None)
    before = await store.conversations.get(key)
    with pytest.raises(NotFound, match="verdict"):
        await store.conversations.reply(
            key, Reply("x", Author.AGENT, agent.id, verdicts=(verdict(), wrong))
        )
    assert await store.conversations.get(key) == before
    assert await store.outbox.next_due_at() is None
    assert (await store.feedback.of_article(1)).shown == 0


async def test_reply_does_everything_at_once(store, conversation, agent, verdict, clock):
    key = conversation.conversation_id
    await store.conversations.save_draft(key, agent.id, "Отве")
    message = await store.conversations.reply(
        key,
        Reply(
            "Ответ",
            Author.AGENT,
            agent.id,
            answer_id=1,
            message_id=conversation.message_id,
            verdicts=(verdict(),),
            hold_s=5,
        ),
    )
    after = await store.conversations.get(key)
    assert (message.delivery, message.answer_id) == (Delivery.HELD, 1)
    assert message.reply_to_id == conversation.message_id
    assert (after.state, after.assigned_agent_id) == (ConversationState.TAKEN, agent.id)
    assert (after.assigned_agent_name, after.waiting_since) == ("Анна", None)
    assert (after.last_text, after.unread) == ("Ответ", 0)
    assert (await store.feedback.of_article(1)).accepted == 1
    assert await store.conversations.load_draft(key, agent.id) == ""
    assert await store.outbox.next_due_at() == clock() + 5


async def test_same_key_is_the_same_message(store, conversation, agent, verdict):
    key = conversation.conversation_id
    reply = Reply("Ответ", Author.AGENT, agent.id, idempotency_key="k1", verdicts=(verdict(),))
    first = await store.conversations.reply(key, reply)
    before = await store.conversations.get(key)
    again = await asyncio.gather(*(store.conversations.reply(key, reply) for _ in range(10)))
    assert {message.id for message in again} == {first.id}
    assert await store.conversations.get(key) == before
    assert len(await store.conversations.messages(key)) == 2


async def test_reply_may_close(store, conversation, agent):
    key = conversation.conversation_id
    await store.conversations.reply(key, Reply("Готово", Author.AGENT, agent.id, close=True))
    assert (await store.conversations.get(key)).state is ConversationState.CLOSED
    actions = [event.action for event in await store.conversations.events(key)]
    assert actions == ["agent-took", "closed"]


async def test_helping_out_leaves_the_owner(store, conversation, agent):
    other = await store.people.create_agent("boris")
    key = conversation.conversation_id
    await store.conversations.assign(key, agent.id, None)
    await store.conversations.reply(key, Reply("Ответ", Author.AGENT, other.id))
    assert (await store.conversations.get(key)).assigned_agent_id == agent.id


async def test_system_text_changes_no_state_and_ends_no_waiting(store, conversation, clock):
    key = conversation.conversation_id
    waiting = (await store.conversations.get(key)).waiting_since
    clock.advance(1)
    after = await store.conversations.act(key, Action.PERSON_WANTED, system_text="Ответит человек.")
    assert (after.state, after.waiting_since) == (ConversationState.OPEN, waiting)
    [_, notice] = await store.conversations.messages(key)
    assert (notice.author, notice.delivery) == (Author.SYSTEM, Delivery.QUEUED)
    assert [row.text for row in await store.outbox.due(clock())] == ["Ответит человек."]


async def test_undo_puts_everything_back(store, conversation, agent, verdict):
    key = conversation.conversation_id
    before = await store.conversations.get(key)
    message = await store.conversations.reply(
        key, Reply("Ой", Author.AGENT, agent.id, hold_s=5, verdicts=(verdict(),), close=True)
    )
    undone = await store.conversations.undo(message.id, agent.id)
    after = await store.conversations.get(key)
    assert undone.delivery is Delivery.CANCELLED
    assert (after.state, after.waiting_since) == (before.state, before.waiting_since)
    assert (after.assigned_agent_id, after.last_text) == (None, before.last_text)
    assert after.version > before.version
    assert (await store.feedback.of_article(1)).shown == 0
    assert await store.outbox.next_due_at() is None
    assert (await store.conversations.undo(message.id, agent.id)) == undone


async def test_undo_after_it_left_is_a_conflict(store, conversation, agent, clock):
    message = await store.conversations.reply(
        conversation.conversation_id, Reply("Ответ", Author.AGENT, agent.id, hold_s=5)
    )
    await store.outbox.start([message.outbox_id], clock.advance(5))
    with pytest.raises(Conflict):
        await store.conversations.undo(message.id, agent.id)


async def test_undo_after_a_change_keeps_the_newer_state(store, conversation, agent, inbound):
    key = conversation.conversation_id
    first_waiting = (await store.conversations.get(key)).waiting_since
    message = await store.conversations.reply(key, Reply("Ой", Author.AGENT, agent.id, hold_s=5))
    await store.conversations.receive([inbound("ещё")])
    await store.conversations.undo(message.id, agent.id)
    after = await store.conversations.get(key)
    assert (after.state, after.waiting_since) == (ConversationState.TAKEN, first_waiting)
    assert after.last_text == "ещё"


async def test_undo_of_the_first_of_two_replies_makes_nobody_wait(store, conversation, agent):
    key = conversation.conversation_id
    first = await store.conversations.reply(key, Reply("Раз", Author.AGENT, agent.id, hold_s=5))
    await store.conversations.reply(key, Reply("Два", Author.AGENT, agent.id, hold_s=5))
    await store.conversations.undo(first.id, agent.id)
    assert (await store.conversations.get(key)).waiting_since is None


async def test_old_version_is_a_conflict_and_exactly_one_of_many_wins(store, conversation, agent):
    key = conversation.conversation_id
    version = (await store.conversations.get(key)).version
    outcomes = await asyncio.gather(
        *(
            store.conversations.act(
                key, Action.AGENT_TOOK, agent_id=agent.id, expected_version=version
            )
            for _ in range(20)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19
    with pytest.raises(Conflict):
        await store.conversations.assign(key, agent.id, version)


async def test_snooze_needs_a_time_and_wakes(store, conversation, clock):
    key = conversation.conversation_id
    with pytest.raises(InvalidTransition):
        await store.conversations.act(key, Action.SNOOZED)
    snoozed = await store.conversations.act(key, Action.SNOOZED, snoozed_until=clock() + 60)
    assert snoozed.snoozed_until == clock() + 60
    assert await store.conversations.due_snoozed(clock() + 59) == []
    assert await store.conversations.due_snoozed(clock() + 60) == [key]
    woken = await store.conversations.act(key, Action.WOKE)
    assert (woken.state, woken.snoozed_until) == (ConversationState.OPEN, None)


async def test_returned_to_the_bot_belongs_to_nobody(store, conversation, agent):
    key = conversation.conversation_id
    taken = await store.conversations.assign(key, agent.id, None)
    assert taken.state is ConversationState.TAKEN
    back = await store.conversations.act(key, Action.RETURNED_TO_BOT)
    assert (back.state, back.assigned_agent_id) == (ConversationState.BOT, None)


async def test_note_is_kept_and_never_sent(store, conversation, agent):
    note = await store.conversations.add_note(conversation.conversation_id, agent.id, "Проверить")
    assert (note.kind, note.delivery, note.agent_id) == (MessageKind.NOTE, None, agent.id)
    assert await store.outbox.next_due_at() is None
    assert (await store.conversations.get(conversation.conversation_id)).last_text != "Проверить"


async def test_drafts_are_per_agent(store, conversation, agent):
    other = await store.people.create_agent("boris")
    key = conversation.conversation_id
    await store.conversations.save_draft(key, agent.id, "мой")
    await store.conversations.save_draft(key, agent.id, "мой новый")
    assert await store.conversations.load_draft(key, agent.id) == "мой новый"
    assert await store.conversations.load_draft(key, other.id) == ""


async def test_views_and_counts(store, inbound, agent, clock):
    conversations = store.conversations
    keys = []
    for number in range(6):
        clock.advance(1)
        [receipt] = await conversations.receive(
            [inbound(f"вопрос {number}", customer=f"c{number}")]
        )
        keys.append(receipt.conversation_id)
    bot, free, mine, snoozed, closed, released = keys
    await conversations.act(free, Action.PERSON_WANTED)
    await conversations.assign(mine, agent.id, None)
    await conversations.act(snoozed, Action.SNOOZED, snoozed_until=clock() + 60)
    await conversations.act(closed, Action.CLOSED)
    await conversations.assign(released, agent.id, None)
    await conversations.assign(released, None, None)
    views = {
        view: [item.id for item in (await conversations.queue(view, agent.id)).items]
        for view in ("mine", "unassigned", "all", "flagged", "snoozed", "closed", "uncertain")
    }
    assert views == {
        "mine": [mine],
        "unassigned": [free, released],
        "all": [bot, free, mine, released],
        "flagged": [],
        "snoozed": [snoozed],
        "closed": [closed],
        "uncertain": [],
    }
    assert await conversations.counts(agent.id) == {view: len(ids) for view, ids in views.items()}
    page = await conversations.queue("all", agent.id, page=2, per_page=3)
    assert ([item.id for item in page.items], page.total, page.pages) == ([released], 4, 2)
    found = await conversations.queue("all", agent.id, query="вопрос 2")
    assert [item.id for item in found.items] == [mine]
    assert (await conversations.queue("all", agent.id, query="!!")).total == 0


async def test_reading_clears_unread(store, conversation, agent):
    await store.conversations.mark_read(conversation.conversation_id, agent.id)
    assert (await store.conversations.get(conversation.conversation_id)).unread == 0


async def test_nobody_and_the_disabled_get_nothing(store, conversation, agent):
    await store.people.disable(agent.id)
    for missing in (99, agent.id):
        with pytest.raises(NotFound):
            await store.conversations.assign(conversation.conversation_id, missing, None)
    with pytest.raises(NotFound):
        await store.conversations.save_draft(99, agent.id, "x")
