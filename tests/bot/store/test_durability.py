"""A server killed with SIGKILL loses nothing that it acknowledged."""

import os
import random
import resource
import signal
import subprocess
import sys

import pytest

from bot.errors import AlreadyRunning, StorageUnavailable
from bot.settings import Settings
from bot.store import Store

# Says each message's id only after ``receive`` has returned, as a server answers a request.
WRITER = """
import asyncio, os, sys
from bot.domain import Inbound
from bot.settings import Settings
from bot.store import Store

async def main():
    store = Store.open(Settings(data_dir=sys.argv[1]))
    print("ready", flush=True)
    async def one(worker):
        number = 0
        while True:
            number += 1
            key = f"{sys.argv[2]}-{worker}-{number}"
            await store.conversations.receive([Inbound("memory", key, f"c{worker}", f"text {key}",
            1.0)])
            os.write(1, (key + "\\n").encode())
    await asyncio.gather(*(one(worker) for worker in range(8)))

asyncio.run(main())
"""


def start(folder, name):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


async def test_killed_writer_loses_nothing_acknowledged(tmp_path):
    generator = random.Random(7)
    acknowledged = set()
    for number in range(5):
        process = start(tmp_path, f"run{number}")
        # Kill in the middle of the work, not at a time: the count is what differs.
        acknowledged |= {
            process.stdout.readline().strip() for _ in range(generator.randrange(1, 200))
        }
        os.kill(process.pid, signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.stdout.close()
        process.wait()
    store = Store.open(Settings(data_dir=str(tmp_path)))
    try:
        stored = await store.db.read(
            lambda connection: {
                row[0] for row in connection.execute("SELECT external_id FROM messages")
            }
        )
        assert len(acknowledged) > 5
        assert acknowledged <= stored
        report = await store.check()
        assert report.sound, report
    finally:
        await store.close()


def test_second_process_is_refused_until_the_first_dies(tmp_path):
    process = start(tmp_path, "one")
    try:
        with pytest.raises(AlreadyRunning, match=str(process.pid)):
            Store.open(Settings(data_dir=str(tmp_path)))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_failing_file_system_acknowledges_nothing_falsely_and_heals(store, inbound, settings):
    """A file that must not grow fails as a full disk does, in the middle of any write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal = settings.database_path.with_name("neurobot.db-wal")
    await store.conversations.receive([inbound("before")])
    acknowledged, refused = 1, 0
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 100_000, hard))
        for _ in range(100):
            try:
                await store.conversations.receive([inbound("x" * 5_000)])
                acknowledged += 1
            except StorageUnavailable:
                refused += 1
        [receipt] = await store.db.read(
            lambda connection: connection.execute("SELECT 1").fetchall()
        )
        assert receipt[0] == 1  # reading goes on
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused > 0
    await store.conversations.receive([inbound("after")])
    stored = await store.db.read(
        lambda connection: connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    )
    assert stored == acknowledged + 1
    assert (await store.check()).sound
