"""A real server on a free port, and clients for each kind of caller."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from bot.app import Running, running
from bot.bus import Bus
from bot.channels.memory import MemoryChannel
from bot.delivery import Delivery
from bot.domain import Article, ConversationState, Receipt, Role
from bot.domain import Delivery as DeliveryState
from bot.pipeline import Pipeline
from bot.serving import Serving
from bot.settings import Settings
from bot.store import Store
from bot.store.writer import MAX_WAITING

Overload = Callable[[Store], AbstractAsyncContextManager[int]]
SignIn = Callable[..., Awaitable[aiohttp.ClientSession]]


@pytest.fixture
def server_settings(settings: Settings) -> Settings:
    """The settings of the test, on a free port and without waiting for bursts or undo."""
    http = msgspec.structs.replace(settings.http, port=0)
    answers = msgspec.structs.replace(settings.answers, burst_quiet_s=0.0, undo_s=0.0)
    return msgspec.structs.replace(settings, http=http, answers=answers)


@pytest.fixture
async def server(server_settings: Settings) -> AsyncIterator[Running]:
    """The whole server, answering on ``server.url``."""
    async with running(server_settings) as running_server:
        yield running_server


@pytest.fixture
async def client(server: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody whom the server does not know."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.fixture
async def sign_in(server: Running) -> AsyncIterator[SignIn]:
    """``await sign_in(Role.ADMIN)`` gives the session of a new person, CSRF token included."""
    opened: list[aiohttp.ClientSession] = []

    async def open_session(role: Role = Role.AGENT, login: str = "") -> aiohttp.ClientSession:
        people = server.services.store.people
        name = login or f"{role.value}{len(opened)}"
        agent = await people.create_agent(name, name.title(), role, "en")
        token = await people.create_session(agent.id, 3600.0)
        found = await people.session(token)
        assert found is not None
        session = aiohttp.ClientSession(
            server.url,
            cookies={"neurobot": token},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"X-CSRF-Token": found[1].csrf_token},
        )
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()


@pytest.fixture
async def program(server: Running) -> AsyncIterator[SignIn]:
    """``await program("suggest")`` gives the session of a program with these scopes."""
    opened: list[aiohttp.ClientSession] = []

    async def open_session(*scopes: str) -> aiohttp.ClientSession:
        _, secret = await server.services.store.people.create_token("test", scopes)
        session = aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {secret}"})
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()


class Talk:
    """The path of a message without HTTP: pipeline, delivery and a scripted channel."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self.settings, self.store, self.clock = settings, store, clock
        self.serving = Serving(settings, store, clock)
        self.channel = MemoryChannel()
        self.exact = MemoryChannel("exact", exactly_once=True)
        self.renew()

    def renew(self) -> None:
        """New parts over the same rows, as after a restart."""
        self.bus = Bus()
        self.pipeline = Pipeline(self.settings, self.store, self.serving, self.bus, self.clock)
        channels = {"memory": self.channel, "exact": self.exact}
        self.delivery = Delivery(self.store, channels, self.bus, self.clock, jitter=lambda: 1.0)

    async def start(self) -> None:
        await self.serving.start()
        await self.pipeline.start()
        await self.delivery.start()

    async def stop(self) -> None:
        await self.delivery.stop()
        await self.pipeline.stop()

    async def teach(self, text: str, question: str, category: str = "", **more: str) -> Article:
        """An article that the models know."""
        article = await self.store.knowledge.save(
            text=text, questions=[question], category=category, **more
        )
        await self.serving.apply_articles([article.id])
        return article

    async def say(self, text: str, customer: str = "anna", **more: Any) -> Receipt:
        """A customer writes."""
        inbound = self.channel.message(text, customer=customer, now=self.clock())
        return await self.pipeline.receive(dataclasses.replace(inbound, **more))

    async def quiet(self) -> None:
        """Until everything received is settled and everything due is out."""
        async with asyncio.timeout(10):
            await self.pipeline.settled()
            while self.delivery.health()["in_flight"] or await self.store.outbox.due(self.clock()):
                self.delivery.wake()
                await asyncio.sleep(0.005)

    def heard(self, customer: str = "anna") -> list[str]:
        """What reached a customer."""
        return [row.text for row in self.channel.sent if row.recipient == customer]

    async def state(self, receipt: Receipt) -> ConversationState:
        return (await self.store.conversations.get(receipt.conversation_id)).state

    async def deliveries(self, receipt: Receipt) -> list[DeliveryState]:
        """States of the conversation's outgoing messages, oldest first."""
        listed = await self.store.conversations.messages(receipt.conversation_id)
        return [message.delivery for message in listed if message.delivery is not None]


@pytest.fixture
def new_talk() -> type[Talk]:
    """The class itself, for tests that run a loop of their own."""
    return Talk


@pytest.fixture
async def talk(
    request: pytest.FixtureRequest, settings: Settings, store: Store, clock: Callable[[], float]
) -> AsyncIterator[Talk]:
    """A running path of messages with a short quiet time, or the one that a test asks for."""
    quiet_s = getattr(request, "param", 0.05)
    answers = msgspec.structs.replace(settings.answers, burst_quiet_s=quiet_s)
    made = Talk(msgspec.structs.replace(settings, answers=answers), store, clock)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def overload() -> Overload:
    """``async with overload(store) as waiting``: the writer is stuck and as much waits as may."""

    @asynccontextmanager
    async def overloaded(store: Store) -> AsyncIterator[int]:
        release, begun = threading.Event(), threading.Event()

        def hold(_: sqlite3.Connection) -> None:
            begun.set()
            release.wait(60)

        async def put(number: int) -> None:
            def insert(connection: sqlite3.Connection) -> None:
                connection.execute("INSERT INTO meta VALUES (?, ?)", (f"n{number}", number))

            await store.db.write(insert)

        tasks = [asyncio.create_task(store.db.write(hold))]
        try:
            await asyncio.to_thread(begun.wait, 10)
            tasks += [asyncio.create_task(put(number)) for number in range(MAX_WAITING)]
            while store.db.health().queued < MAX_WAITING:
                await asyncio.sleep(0)
            yield MAX_WAITING
        finally:
            release.set()
            await asyncio.gather(*tasks)

    return overloaded
