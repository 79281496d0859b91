"""A receiver on a real port that answers as told, and a sender that may reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from bot.bus import Bus
from bot.store import Store
from bot.webhooks import Sender, networks


@dataclass
class Received:
    """One request as it arrived."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request with the next of ``answers``, then with 200."""

    url: str = ""
    answers: list[web.StreamResponse | float] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Received(dict(request.headers), await request.read()))
        self.news.set()
        answer = self.answers.pop(0) if self.answers else web.Response(text="ok")
        if isinstance(answer, float):  # keeps silent for so long
            await asyncio.sleep(answer)
            return web.Response()
        return answer

    async def arrived(self, number: int) -> list[Received]:
        """What came, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.got) < number:
                self.news.clear()
                await self.news.wait()
        return self.got


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
def new_sender(store: Store, clock):
    """Makes senders that wait their full time between tries."""

    def make(**options) -> Sender:
        wishes = {"private": networks(["127.0.0.0/8"]), "jitter": lambda: 1.0, **options}
        return Sender(store, Bus(), clock, **wishes)

    return make


@pytest.fixture
async def sender(new_sender) -> AsyncIterator[Sender]:
    made = new_sender()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def ended(store: Store):
    """``await ended(delivery_id, "dead")`` waits until the delivery is in that state."""

    async def wait(delivery_id: int, state: str):
        async with asyncio.timeout(10):
            while True:
                found = await store.webhooks.delivery(delivery_id)
                if found[0].state == state:
                    return found
                await asyncio.sleep(0.01)

    return wait
