"""kill -9 while webhooks are being sent: whatever was acknowledged is told, each under one id."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from bot.settings import Settings
from bot.store import Store
from bot.webhooks.signing import HEADER, signature

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("TEST_KILLS", "4")) // 2 or 1
MESSAGES = 12  # between two kills


class Receiver:
    """Takes deliveries slowly, refuses some, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, set[str]] = {}  # text of the message -> ids of its deliveries
        self.requests = 0
        self.secret = ""
        self.rng = random.Random(7)

    async def take(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        sent_at = int(request.headers[HEADER].split(",")[0][2:])
        assert request.headers[HEADER] == signature([self.secret], sent_at, body)
        await asyncio.sleep(self.rng.uniform(0, 0.15))
        if self.rng.random() < 0.05:
            return web.Response(status=429, headers={"Retry-After": "0"})
        event = json.loads(body)
        self.told.setdefault(event["data"]["text"], set()).add(event["id"])
        return web.Response()


async def start(environment: dict[str, str], url: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", cwd=ROOT, env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/ready") as answer:
                    if answer.status == 200:
                        return process
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


async def say(url: str, texts: list[str]) -> None:
    """Messages that the server acknowledged."""
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/chat/visitors", json={}) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        for _ in range(MESSAGES):
            body = {"id": str(uuid4()), "text": f"asks {uuid4()}", "language": "en"}
            async with session.post("/chat/messages", json=body, headers=headers) as answer:
                assert answer.status == 201
                texts.append(body["text"])


@pytest.mark.timeout(300)
async def test_what_was_acknowledged_is_told_whatever_dies(tmp_path: Path) -> None:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    settings = Settings(data_dir=str(tmp_path / "data"))
    store = Store.open(settings)
    _, receiver.secret = await store.webhooks.create("x", address, ["message.created"])
    await store.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "NEUROBOT_DATA_DIR": settings.data_dir,
        "NEUROBOT_HTTP__PORT": str(port),
        "NEUROBOT_WEBHOOKS__PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    texts: list[str] = []
    for _ in range(KILLS):
        process = await start(environment, url)
        await say(url, texts)
        await asyncio.sleep(receiver.rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start(environment, url)
    async with asyncio.timeout(60):
        while not set(texts) <= set(receiver.told):
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        assert await process.wait() == 0
    asked = {text: ids for text, ids in receiver.told.items() if text in set(texts)}
    assert len(asked) == KILLS * MESSAGES
    assert all(len(ids) == 1 for ids in asked.values())
    await runner.cleanup()
