"""The desk may repeat, hurry and change its mind: each suggestion keeps its one record."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.domain import Inbound


async def records(desk: Any) -> dict[int, tuple[str | None, str | None]]:
    """Verdict and agent by answer."""
    rows = await desk.services.store.ledger.page()
    assert len({row.answer_id for row in rows}) == len(rows)
    return {row.answer_id: (row.verdict, row.agent) for row in rows}


async def test_one_record_each_whatever_two_agents_do_at_once(desk: Any) -> None:
    shown = {100: (None, None), 101: (None, None), 102: (None, None)}
    assert await records(desk) == shown
    reject = {"question": desk.question_id, "answer": 101, "reason": "old"}
    await asyncio.gather(
        *(person.post(f"{desk.talk}/reject", reject) for person in (desk.ann, desk.bob, desk.ann))
    )
    assert set(await records(desk)) == set(shown)

    def reply(person: Any, key: str) -> Any:
        body = {
            "text": "Open Settings and press Seats.", "key": key * 32, "seen": desk.question_id,
            "question": desk.question_id, "answer": 100,
        }  # fmt: skip
        return person.http.post(
            f"{desk.talk}/reply", json=body, headers={"X-CSRF-Token": person.csrf}
        )

    answers = await asyncio.gather(
        reply(desk.ann, "a"), reply(desk.bob, "b"), reply(desk.ann, "a"), reply(desk.bob, "b")
    )
    assert sorted(answer.status for answer in answers) == [201, 201, 409, 409]
    judged = await records(desk)
    assert judged[100][0] == "accepted"
    assert judged[101][0] == "rejected"
    assert judged[102][0] == "ignored"
    assert len(judged) == 3


async def test_a_redelivered_message_adds_nothing(desk: Any) -> None:
    before = await desk.services.store.ledger.count()
    inbound = Inbound("web", "again", "c77", "How do I add a seat?", desk.services.clock())
    await desk.services.pipeline.receive(inbound)
    await desk.services.pipeline.settled()
    shown = await desk.services.store.ledger.count()
    await asyncio.gather(*(desk.services.pipeline.receive(inbound) for _ in range(5)))
    await desk.services.pipeline.settled()
    assert await desk.services.store.ledger.count() == shown >= before
