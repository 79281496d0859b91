"""Backups taken while people write, each restored while they go on: whole, and of one moment.

Everything acknowledged before a backup began is in it, nothing is in it that was never sent, and
each message in it is, byte for byte, what the desk still holds at the end.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from bot import control
from bot.settings import Settings
from bot.store import Store, restore

WRITERS = 6
EACH = "SELECT external_id, text, hex(digest) FROM messages WHERE author = 'customer'"


async def writer(url: str, token: str, told: dict[str, float], over: asyncio.Event) -> None:
    """A program that hands in messages and events, and notes when it was told."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        while not over.is_set():
            name = uuid4().hex
            body = {"external_id": name, "customer": {"id": name[:2]}, "text": f"where is {name}"}
            async with session.post("/api/v1/messages", json=body) as reply:
                assert reply.status in (201, 503)
                if reply.status == 201:
                    told[name] = time.monotonic()
            async with session.post("/api/v1/events", json=[{"id": name, "name": "x"}]) as reply:
                assert reply.status == 204
            await asyncio.sleep(0.003)


async def rows(folder: Path) -> dict[str, tuple[str, str]]:
    """Messages of a database by name, which has to be sound."""
    store = Store.open(Settings(data_dir=str(folder)))
    try:
        assert (await store.check()).sound
        found = await store.db.read(lambda connection: [tuple(r) for r in connection.execute(EACH)])
    finally:
        await store.close()
    assert len(found) == len({name for name, *_ in found})
    return {name.rpartition(":")[2]: (text, digest) for name, text, digest in found}


@pytest.mark.timeout(900)
async def test_every_backup_of_a_busy_desk_can_be_restored(
    tmp_path: Path, serving, sized, record_property
) -> None:
    data, count = tmp_path / "data", sized(3, 3, 20)
    settings = Settings(data_dir=str(data))
    store = Store.open(settings)
    _, token = await store.people.create_token("t", ("messages:write", "events:write"))
    await store.close()
    told: dict[str, float] = {}
    copies: list[dict[str, tuple[str, str]]] = []
    over = asyncio.Event()
    async with serving(data, program=("admin", "serve")) as (url, _), asyncio.TaskGroup() as load:
        for _ in range(WRITERS):
            load.create_task(writer(url, token, told, over))
        for number in range(count):
            await asyncio.sleep(0.3)
            began, backup = time.monotonic(), tmp_path / f"{number}.db"
            before = {name for name, at in told.items() if at < began}
            report = await asyncio.to_thread(
                control.call, settings, "backup", {"target": str(backup)}
            )
            folder = tmp_path / f"restored{number}"
            await asyncio.to_thread(restore, backup, Settings(data_dir=str(folder)))
            copies.append(await rows(folder))
            assert before <= copies[-1].keys()
            assert report["counts"]["events"] > 0
        over.set()
    whole = await rows(data)
    assert told.keys() <= whole.keys()
    assert [copy.items() - whole.items() for copy in copies] == [set()] * count
    sizes = [len(copy) for copy in copies]
    assert sizes == sorted(sizes)
    record_property(
        "figure", f"{count} backups and restores under load, {min(sizes)} to {max(sizes)} of "
        f"{len(told)} messages: each whole"
    )  # fmt: skip
