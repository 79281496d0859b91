"""Rows of the reports: who waited how long, who answered, what was taken back."""

from __future__ import annotations

import pytest

from bot.domain import Author, Inbound, Verdict, VerdictRecord
from bot.handover import Action
from bot.store.desk_activity import DeskActivity, Scope
from bot.store.records import Reply


@pytest.fixture
def activity(store, clock) -> DeskActivity:
    return DeskActivity(store.db, clock)


async def ask(store, clock, customer: str, channel: str = "web"):
    inbound = Inbound(channel, f"m{clock.advance(10)}", customer, "?", clock(), language="en")
    (receipt,) = await store.conversations.receive([inbound])
    return receipt


async def test_talks_say_who_answered_and_when(store, clock, activity) -> None:
    scope = Scope(clock(), clock() + 10_000)
    olga = await store.people.create_agent("olga")
    by_bot, by_olga, by_nobody, both = [await ask(store, clock, n) for n in "abcd"]
    clock.advance(60)
    await store.conversations.reply(by_bot.conversation_id, Reply("x", Author.BOT))
    await store.conversations.reply(by_olga.conversation_id, Reply("x", Author.AGENT, olga.id))
    await store.conversations.reply(both.conversation_id, Reply("x", Author.BOT))
    await store.conversations.act(both.conversation_id, Action.PERSON_WANTED)
    held = await store.conversations.reply(
        by_nobody.conversation_id, Reply("x", Author.AGENT, olga.id, hold_s=5)
    )
    await store.conversations.undo(held.id, olga.id)
    await store.conversations.add_note(by_nobody.conversation_id, olga.id, "note")
    rows = [(t.wait_s, t.bot_alone, t.agents) for t in await activity.talks(scope)]
    assert rows == [(90, True, ()), (80, False, (olga.id,)), (None, False, ()), (60, False, ())]
    mine = Scope(scope.since, scope.until, agent_id=olga.id)
    assert len(await activity.talks(mine)) == 1
    assert sum(row.customers for row in await activity.load(mine)) == 1
    assert sum(row.replies for row in await activity.load(scope)) == 3


async def test_filters_and_the_edges_of_the_stretch(store, clock, activity) -> None:
    first = await ask(store, clock, "a")
    await ask(store, clock, "b", "rest")
    at = clock()
    assert len(await activity.talks(Scope(at - 10, at + 1))) == 2
    assert len(await activity.talks(Scope(at - 10, at))) == 1
    assert len(await activity.talks(Scope(0, at + 1, channel="rest"))) == 1
    assert not await activity.talks(Scope(0, at + 1, category="none of this kind"))

    def name(connection) -> None:
        connection.execute(
            "UPDATE conversations SET category = 'money' WHERE id = ?", (first.conversation_id,)
        )

    await store.db.write(name)
    (found,) = await activity.talks(Scope(0, at + 1, category="money"))
    assert found.category == "money"


async def test_equal_verdicts_of_one_half_hour_are_one_row(store, clock, activity) -> None:
    olga = await store.people.create_agent("olga")
    receipts = [await ask(store, clock, n) for n in "ab"]
    await store.feedback.record(
        [
            VerdictRecord(r.message_id, 7, 1, verdict, olga.id, clock(), 0.9, None, edits)
            for r, verdict, edits in zip(
                receipts, (Verdict.EDITED, Verdict.EDITED), (4, 9), strict=True
            )
        ]
        + [VerdictRecord(r.message_id, 8, 2, Verdict.REJECTED, None, clock(), 0.1, None)
           for r in receipts]
    )  # fmt: skip
    rows = await activity.judged(Scope(0, clock() + 1))
    assert sorted((r.rank, r.verdict, r.edit_distance, r.count) for r in rows) == [
        (1, "edited", 4, 1), (1, "edited", 9, 1), (2, "rejected", 0, 2),
    ]  # fmt: skip
    assert len(await activity.judged(Scope(0, clock() + 1, agent_id=olga.id))) == 2
