"""Questions take turns, so that what else is due waits for one of them and not for all."""

from __future__ import annotations

import asyncio

import pytest

from bot.turns import Turns


async def test_others_are_not_behind_every_question() -> None:
    turns = Turns()
    done: list[int] = []
    questions = [asyncio.create_task(turns.take(done.append, number)) for number in range(40)]
    for hop in range(1, 6):
        await asyncio.sleep(0)
        assert len(done) <= hop
    await asyncio.gather(*questions)
    assert done == list(range(40))


async def test_what_fails_or_is_given_up_holds_nobody_up() -> None:
    turns = Turns()
    failing = asyncio.create_task(turns.take(int, "no number"))
    given_up = asyncio.create_task(turns.take(int, "1"))
    asked = asyncio.create_task(turns.take(int, "2"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await asked == 2
    with pytest.raises(ValueError, match="no number"):
        await failing
