"""kill -9 at random moments while events come in: no acknowledged one is lost, none stands twice.

``TEST_KILLS`` sets the number; ``make trust`` runs 50, the ordinary test run a few.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from bot.settings import Settings
from bot.store import Store

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("TEST_KILLS", "2"))
PROGRAMS = 8


async def start(data_dir: Path, port: int) -> asyncio.subprocess.Process:
    environment = {
        **os.environ, "NEUROBOT_DATA_DIR": str(data_dir), "NEUROBOT_HTTP__PORT": str(port),
    }  # fmt: skip
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get("/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


async def program(session: aiohttp.ClientSession, told: list[str], over: asyncio.Event) -> None:
    """Sends new events for ever; what is not acknowledged is sent again, as it was."""
    while not over.is_set():
        events = [
            {"id": uuid4().hex, "name": "x", "visitor": "v"} for _ in range(random.choice((1, 20)))
        ]
        body = json.dumps(events)
        while True:
            try:
                async with session.post("/api/v1/events", data=body) as answer:
                    if answer.status == 204:
                        break
                    assert answer.status in (429, 503), await answer.text()
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.02)
        told += [event["id"] for event in events]


@pytest.mark.timeout(60 + 10 * KILLS)
async def test_no_acknowledged_event_is_lost_and_none_stands_twice(tmp_path: Path) -> None:
    random.seed(11)
    data_dir = tmp_path / "data"
    store = Store.open(Settings(data_dir=str(data_dir)))
    _, secret = await store.people.create_token("test", ("events:write",))
    await store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told: list[str] = []
    over = asyncio.Event()
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {secret}"},
        timeout=aiohttp.ClientTimeout(total=5),
    ) as session:
        process = await start(data_dir, port)
        await ready(session)
        async with asyncio.TaskGroup() as load:
            for _ in range(PROGRAMS):
                load.create_task(program(session, told, over))
            for _ in range(KILLS):
                await asyncio.sleep(random.uniform(0.1, 0.8))
                process.kill()
                await process.wait()
                process = await start(data_dir, port)
                await ready(session)
            over.set()
    process.kill()  # the last answers too must outlive one
    await process.wait()
    with closing(sqlite3.connect(data_dir / "events.db")) as connection:
        stored = [row[0] for row in connection.execute("SELECT id FROM events")]
    print(f"{KILLS + 1} kills, {len(told)} events acknowledged")
    assert len(told) > 100 * KILLS
    assert set(told) <= set(stored)
    assert len(stored) == len(set(stored))
