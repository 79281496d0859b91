"""A disk that is really full and one that is really read-only: a file system of a few megabytes.

Only root may mount one; elsewhere these are skipped, and limits of a file's size and injected
errors (``test_crash_points``, ``test_bad_input``) stand in.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from bot.errors import StorageUnavailable
from bot.settings import Settings
from bot.store import Store
from nlp.artifacts import publish, save_json, write_manifest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0


def mount(*arguments: str) -> None:
    """Mount, or skip where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own; its size can be changed by mounting it anew."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid():
        pytest.skip("only root may mount a file system")
    mount("-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


async def post(session: aiohttp.ClientSession, number: int, seen: Counter[int]) -> bool:
    """Whether a long message was acknowledged."""
    body = {"id": f"message-{number:06}", "text": f"{number} " + "long words " * 300}
    async with session.post("/chat/messages", json=body) as reply:
        seen[reply.status] += 1
        assert reply.status in (201, 503), await reply.text()
        assert reply.status == 201 or "Retry-After" in reply.headers
        if reply.status == 201:
            session.headers["Talk"] = (await reply.json())["conversation"]
        return reply.status == 201


@pytest.mark.timeout(300)
async def test_a_full_disk_refuses_serves_and_heals(disk, serving, record_property) -> None:
    seen, taken, data = Counter(), [], disk / "data"
    async with serving(data) as (url, _), aiohttp.ClientSession(url) as session:
        async with session.post("/chat/visitors", json={}) as reply:
            session.headers["Authorization"] = f"Bearer {(await reply.json())['token']}"
        number = 0
        while seen[503] < 25:
            number += 1
            assert number < 5_000, "the disk never became full"
            if await post(session, number, seen):
                taken.append(number)
        filled = len(taken)
        talk = {"conversation": session.headers["Talk"]}
        async with session.get("/chat/history", params=talk) as reply:
            assert [line["author"] for line in (await reply.json())["messages"]].count("customer")
        async with session.get("/health") as reply:
            assert reply.status == 200
        mount("-o", "remount,size=64m", str(disk))
        until = time.monotonic() + PATIENCE_S
        while len(taken) < filled + 20:
            number += 1
            assert time.monotonic() < until, "it did not heal"
            if await post(session, number, seen):
                taken.append(number)
    store = Store.open(Settings(data_dir=str(data)))
    assert (await store.check()).sound
    names = await store.db.read(lambda connection: Counter(
        row[0].partition(":")[2] for row in connection.execute(
            "SELECT external_id FROM messages WHERE author = 'customer'")
    ))  # fmt: skip
    await store.close()
    assert {number: names[f"message-{number:06}"] for number in taken} == dict.fromkeys(taken, 1)
    record_property(
        "figure", f"full after {filled} messages, {seen[503]} refused, {len(taken) - filled} more "
        "after it grew: 0 lost, sound"
    )  # fmt: skip


async def test_no_room_for_a_backup_or_a_model_leaves_nothing_there(
    disk, tmp_path, template_database
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / template_database.name).write_bytes(template_database.read_bytes())
    store = Store.open(Settings(data_dir=str(data)))
    (disk / "ballast").write_bytes(bytes(8_000_000))
    with pytest.raises(StorageUnavailable, match="backup"):
        await store.backup(disk / "out" / "b.db")
    await store.close()
    made = disk / "made"
    made.mkdir()
    with pytest.raises(OSError, match="No space"):
        save_json(made / "bundle.json", {"weights": list(range(200_000))})
    assert [one.name for one in (disk / "out").iterdir()] == []
    (disk / "ballast").unlink()
    save_json(made / "bundle.json", {"weights": list(range(200_000))})
    write_manifest(made)
    publish(made, disk / "v1")
    assert (disk / "v1" / "manifest.json").is_file()


async def test_a_server_on_a_read_only_disk_says_so(disk, template_database) -> None:
    data = disk / "data"
    data.mkdir()
    (data / template_database.name).write_bytes(template_database.read_bytes())
    before = (data / template_database.name).read_bytes()
    mount("-o", "remount,ro", str(disk))
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "bot"], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=60, env={
            **os.environ, "NEUROBOT_DATA_DIR": str(data), "NEUROBOT_HTTP__PORT": "0",
        },
    )  # fmt: skip
    assert run.returncode == 73, run.stderr
    [line] = run.stderr.strip().splitlines()
    assert "ead-only file system" in line
    assert "data_dir" in line
    assert (data / template_database.name).read_bytes() == before
    mount("-o", "remount,rw", str(disk))
    await Store.open(Settings(data_dir=str(data))).close()
