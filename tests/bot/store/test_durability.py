"""A server killed with SIGKILL loses nothing that it acknowledged."""

import os
import random
import signal
import subprocess
import sys

import pytest

from bot.errors import AlreadyRunning
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
