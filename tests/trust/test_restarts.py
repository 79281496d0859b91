"""A killed server is back at once and goes on where it was."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp

from bot.settings import Settings
from bot.store import Store

MESSAGES = 40


async def seeded(settings: Settings) -> str:
    store = Store.open(settings)
    try:
        for number in range(30):
            text = f"Open Orders and press Track {number}."
            await store.knowledge.save(text=text, questions=[f"Where is order {number}?"])
        return (await store.people.create_token("load", ["admin"]))[1]
    finally:
        await store.close()


def message(number: int) -> dict[str, object]:
    return {
        "external_id": f"m{number}", "customer": {"id": f"c{number}"}, "text": "Where is order 7?",
    }  # fmt: skip


def processor_s(pid: int) -> float:
    """CPU seconds of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def waiting(settings: Settings) -> int:
    """Messages without suggestions, as the database has it."""
    with closing(sqlite3.connect(settings.database_path)) as connection:
        return connection.execute(
            "SELECT count(*) FROM messages WHERE processed_at IS NULL AND author = 'customer'"
        ).fetchone()[0]


async def test_a_killed_server_is_ready_at_once_and_works_off_what_waits(
    tmp_path, serving, record_property
) -> None:
    settings = Settings(data_dir=str(tmp_path))
    headers = {"Authorization": f"Bearer {await seeded(settings)}"}
    async with serving(tmp_path, ends_with=-signal.SIGKILL) as (url, pid):
        async with aiohttp.ClientSession(url, headers=headers) as client:
            sending = [client.post("/api/v1/messages", json=message(n)) for n in range(MESSAGES)]
            assert {reply.status for reply in await asyncio.gather(*sending)} == {201}
        os.kill(pid, signal.SIGKILL)
    left = waiting(settings)
    async with serving(tmp_path) as (url, pid), aiohttp.ClientSession(url) as client:
        async with client.get("/ready") as reply:
            assert reply.status == 200
        ready_s = processor_s(pid)
        async with asyncio.timeout(30):
            while waiting(settings):
                await asyncio.sleep(0.05)
    assert left > 0  # killed with most of the work still to do
    assert ready_s < 3
    record_property(
        "figure", f"ready after {ready_s:.2f} CPU s, {left} waiting messages worked off"
    )
