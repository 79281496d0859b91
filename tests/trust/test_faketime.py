"""The clock of the machine is set under a running server, by libfaketime: nobody notices.

``test_clock_jumps`` sets the clock that the server is built with; here the process itself reads
another time from the C library, as after ``date -s``, while its monotonic clock goes on.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from bot.domain import Role
from bot.settings import Settings
from bot.store import Store

LIBRARY = next(
    (path for root in ("/usr/lib", "/usr/local/lib")
     for path in Path(root).glob("**/faketime/libfaketimeMT.so.1")), None,
)  # fmt: skip
HOUR_S, DAY_S = 3_600, 86_400
# Back an hour, on a day, back two days, on an hour (as daylight saving set by hand), small steps.
JUMPS = (-HOUR_S, DAY_S, -2 * DAY_S, HOUR_S, -60, 30)
UNDO_S, PATIENCE_S = 0.3, 30.0
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed")


async def seeded(data: Path) -> tuple[dict[str, str], str]:
    """Headers of a signed-in agent, and of a program."""
    store = Store.open(Settings(data_dir=str(data)))
    agent = await store.people.create_agent("ann", "Ann", Role.AGENT, "en")
    cookie = await store.people.create_session(agent.id)
    _, token = await store.people.create_token("t", ("conversations:read", "messages:write"))
    await store.close()
    return {"Cookie": f"neurobot={cookie}"}, f"Bearer {token}"


async def history(session: aiohttp.ClientSession, talk: str) -> list[tuple[str, str, float]]:
    """Text, delivery and time of what was asked and answered, in the order shown."""
    async with session.get(f"/api/v1/conversations/{talk}") as reply:
        lines = (await reply.json())["messages"]
    kept = [one for one in lines if one["text"].startswith(("question ", "answer "))]
    return [(one["text"], one["delivery"] or "", one["created_at"]) for one in kept]


@pytest.mark.timeout(600)
async def test_a_clock_that_is_set_changes_nothing_for_anybody(
    tmp_path: Path, serving, sized, record_property
) -> None:
    data, stamp, rng = tmp_path / "data", tmp_path / "stamp", random.Random(2)
    fresh = tmp_path / "fresh"
    agent, bearer = await seeded(data)
    jumps = [*JUMPS, *(rng.choice((-1, 1)) * rng.randrange(DAY_S * 9) for _ in range(94))]
    jumps = jumps[: sized(6, 6, 100)]
    stamp.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(stamp), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NEUROBOT_ANSWERS__UNDO_S": str(UNDO_S),
    }  # fmt: skip
    wrote, shift_s, slowest_s = [], 0, 0.0
    async with (
        serving(data, **faked) as (url, _),
        aiohttp.ClientSession(url, headers={"Authorization": bearer}) as session,
    ):
        async with session.post("/chat/visitors", json={}) as reply:
            visitor = {"Authorization": f"Bearer {(await reply.json())['token']}"}

        async def ask() -> str:
            wrote.append(f"question {len(wrote)}")
            body = {"id": uuid4().hex, "text": wrote[-1]}
            async with session.post("/chat/messages", json=body, headers=visitor) as reply:
                assert reply.status == 201
                return str((await reply.json())["conversation"])

        async def answer(talk: str) -> None:
            wrote.append(f"answer {len(wrote)}")
            body = {"text": wrote[-1], "idempotency_key": uuid4().hex}
            path = f"/api/v1/conversations/{talk}/replies"
            async with session.post(path, json=body) as reply:
                assert reply.status == 201

        for jump in jumps:
            talk = await ask()
            await answer(talk)
            shift_s += jump
            fresh.write_text(f"{shift_s:+d}\n")
            fresh.replace(stamp)  # nobody reads half of it
            began = time.monotonic()
            await ask()
            while (await history(session, talk))[-2][1] not in ("sent", "read"):
                assert time.monotonic() - began < PATIENCE_S, "a reply is held up"
                await asyncio.sleep(0.05)
            slowest_s = max(slowest_s, time.monotonic() - began)
            async with session.get("/desk", headers=agent, allow_redirects=False) as reply:
                assert reply.status == 200, "signed out"
            shown = [text for text, *_ in await history(session, talk)]
            assert shown == wrote[-len(shown) :]  # as many as one page has
            assert len(shown) >= min(len(wrote), 150)
        began = time.monotonic()
        while True:
            await ask()
            if abs((await history(session, talk))[-1][2] - shift_s - time.time()) < PATIENCE_S:
                break
            assert time.monotonic() - began < PATIENCE_S, "the machine's time is not what is shown"
            await asyncio.sleep(0.5)
    record_property(
        "figure", f"{len(jumps)} jumps of the process's clock, {len(wrote)} messages in order, the "
        f"slowest reply after {slowest_s:.1f} s"
    )  # fmt: skip
