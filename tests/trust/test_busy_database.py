"""Another program holds the database's write lock for seconds: people wait, nobody sees an error.

A copy by hand, an administrator in a SQLite shell, a virus scanner.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.domain import Role

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@asynccontextmanager
async def held(database: Path) -> AsyncIterator[None]:
    """Another process has the lock while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(database),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    assert await process.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        process.stdin.close()
        assert await process.wait() == 0


async def test_a_lock_of_another_program_reaches_nobody(house, sized, record_property) -> None:
    settings = house.server.services.settings
    lasting_s = float(sized(1, 4, 4))
    agent, program = await house.person(Role.AGENT), await house.program("admin")
    visitors = [await house.visitor() for _ in range(4)]
    slowest = 0.0

    async def timed(call) -> int:
        nonlocal slowest
        began = time.monotonic()
        status, _ = await call
        slowest = max(slowest, time.monotonic() - began)
        return status

    began = time.monotonic()
    async with held(settings.database_path):
        writing = [
            visitor.post("/chat/messages", json={"id": f"message-{number}", "text": "Where is it?"})
            for visitor in visitors
            for number in range(5)
        ]
        writing += [
            program.post(
                "/api/v1/messages",
                json={"external_id": f"m{number}", "customer": {"id": "c"}, "text": "Hello"},
            )
            for number in range(5)
        ]
        waiting = [asyncio.create_task(timed(one)) for one in writing]
        reading = [await agent.get("/desk") for _ in range(5)]  # who reads waits for no lock
        assert {status for status, _ in reading} == {200}
        await asyncio.sleep(began + lasting_s - time.monotonic())
        assert not any(task.done() for task in waiting)
    held_s = time.monotonic() - began
    answers = await asyncio.gather(*waiting)
    assert set(answers) == {201}
    assert slowest <= held_s + 5
    stored = await house.store.db.read(
        lambda connection: connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    )
    assert stored >= len(writing)
    record_property(
        "figure", f"held for {held_s:.1f} s: {len(answers)} stored, the slowest {slowest:.1f} s"
    )
