"""Two agents who answer one customer within a millisecond: one wins, the other hears of it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from bot.domain import Author
from bot.errors import AlreadyAnswered
from bot.handover import Action
from bot.store import Reply

RACES = {"full": 1_000, "short": 200}.get(os.environ.get("TRUST_PROFILE", ""), 60)


async def answers(desk: Any, conversation_id: int) -> list[Any]:
    found = await desk.services.store.conversations.messages(conversation_id)
    return [message for message in found if message.author is Author.AGENT]


async def send(person: Any, path: str, seen: int, number: int) -> int:
    body = {"text": f"answer {number}", "key": f"race-{number:08}", "seen": seen}
    headers = {"X-CSRF-Token": person.csrf}
    async with person.http.post(path, json=body, headers=headers) as response:
        if response.status == 409:
            assert (await response.json())["code"] == "conflict"
        return response.status


@pytest.mark.timeout(600)
async def test_each_of_many_races_has_exactly_one_winner(desk: Any, record_property) -> None:
    for number in range(RACES):
        public_id, conversation_id, seen = await desk.ask("Help", customer=f"racer-{number}")
        path = f"/desk/conversations/{public_id}/reply"
        pair = (desk.ann, desk.bob) if number % 2 else (desk.bob, desk.ann)
        statuses = await asyncio.gather(*(send(one, path, seen, number) for one in pair))
        assert sorted(statuses) == [201, 409]
        assert len(await answers(desk, conversation_id)) == 1
    record_property("figure", f"{RACES:,} races, one winner each")


async def test_the_store_alone_lets_one_of_many_answer(desk: Any) -> None:
    def reply(agent: Any) -> Any:
        wanted = Reply("mine", Author.AGENT, agent.id, seen_message_id=desk.question_id)
        return desk.services.store.conversations.reply(desk.conversation_id, wanted)

    crowd = [desk.ann.agent, desk.bob.agent] * 5
    results = await asyncio.gather(*(reply(agent) for agent in crowd), return_exceptions=True)
    winners = {message.agent_id for message in results if not isinstance(message, Exception)}
    assert len(winners) == 1  # one's own answers are no conflict
    assert sum(isinstance(result, AlreadyAnswered) for result in results) == 5


async def test_what_is_no_answer_is_no_conflict(desk: Any) -> None:
    conversations = desk.services.store.conversations
    await conversations.add_note(desk.conversation_id, desk.bob.agent.id, "a note")
    taken_back = await conversations.reply(
        desk.conversation_id, Reply("oops", Author.AGENT, desk.bob.agent.id, hold_s=30.0)
    )
    await conversations.undo(taken_back.id, desk.bob.agent.id)
    await conversations.reply(desk.conversation_id, Reply("A person comes.", Author.SYSTEM))
    wanted = Reply("mine", Author.AGENT, desk.ann.agent.id, seen_message_id=desk.question_id)
    assert (await conversations.reply(desk.conversation_id, wanted)).text == "mine"


async def test_a_repeated_request_is_no_conflict_with_what_came_after_it(desk: Any) -> None:
    conversations = desk.services.store.conversations
    wanted = Reply(
        "mine",
        Author.AGENT,
        desk.ann.agent.id,
        idempotency_key="same-key",
        seen_message_id=desk.question_id,
    )
    first = await conversations.reply(desk.conversation_id, wanted)
    await conversations.reply(desk.conversation_id, Reply("more", Author.AGENT, desk.bob.agent.id))
    assert (await conversations.reply(desk.conversation_id, wanted)).id == first.id


@pytest.mark.parametrize("author", [Author.BOT, Author.AGENT])
async def test_the_bots_and_a_programs_answer_count(desk: Any, author: Author) -> None:
    """A program answers as an agent without a name."""
    conversations = desk.services.store.conversations
    (found,) = await conversations.messages(desk.conversation_id)
    if author is Author.BOT:
        public_id, conversation_id, seen = await _with_the_bot(desk)
    else:
        public_id, conversation_id, seen = desk.public_id, desk.conversation_id, found.id
    await conversations.reply(conversation_id, Reply("42", author))
    path = f"/desk/conversations/{public_id}/reply"
    assert await send(desk.ann, path, seen, 1) == 409


async def _with_the_bot(desk: Any) -> tuple[str, int, int]:
    public_id, conversation_id, message_id = await desk.ask("Again", customer="bots")
    await desk.services.store.conversations.act(conversation_id, Action.RETURNED_TO_BOT)
    return public_id, conversation_id, message_id
