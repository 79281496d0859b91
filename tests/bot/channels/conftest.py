"""Channels with a real other side: a Bot API server on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from admin.evaluate.fake_telegram import TOKEN, FakeTelegram
from bot.bus import Bus
from bot.channels.telegram import TelegramChannel, routes
from bot.delivery import Delivery
from bot.http import errors_middleware
from bot.pipeline import Pipeline
from bot.services import SERVICES
from bot.serving import Serving
from bot.settings import Settings
from bot.store import Store

LINES = web.AppKey("lines", list)
SECRET = "s3cret-of-the-webhook"


class Line:
    """A server's path of messages over Telegram."""

    def __init__(self, settings: Settings, store: Store, telegram: FakeTelegram) -> None:
        self.settings, self.store, self.telegram = settings, store, telegram
        self.bus = Bus()
        self.pipeline = Pipeline(
            settings, store, Serving(settings, store, time.time), self.bus, time.time
        )
        self.channel = TelegramChannel(settings, store, self.pipeline, time.time)
        self.delivery = Delivery(store, {"telegram": self.channel}, self.bus, time.time)
        self.channels = {"telegram": self.channel}

    async def messages(self, chat_id: int) -> list[Any]:
        """Everything said with a customer, oldest first."""
        customer = await self.store.conversations.find_customer("telegram", str(chat_id))
        if customer is None:
            return []
        listed = await self.store.conversations.previous(customer.id, None)
        return await self.store.conversations.messages(listed[-1].id)

    async def until(self, look: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await look():
                await asyncio.sleep(0.01)

    async def taken(self) -> None:
        """Until every update is confirmed, every message settled, everything due is out."""
        await self.telegram.until(lambda: not self.telegram.pending)
        await self.pipeline.settled()
        async with asyncio.timeout(10):
            while (
                await self.store.outbox.due(time.time())
                or self.delivery.health()["in_flight"]
                or self.pipeline.health()["queued"]
            ):
                self.delivery.wake()
                await asyncio.sleep(0.01)


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as server:
        yield server


@pytest.fixture
def telegram_settings(settings: Settings, telegram: FakeTelegram) -> Settings:
    """Polling; a webhook needs ``mode`` alone."""
    section = msgspec.structs.replace(
        settings.telegram,
        mode="polling",
        token=TOKEN,
        webhook_secret=SECRET,
        api_url=telegram.api_url,
        file_url=telegram.file_url,
        poll_timeout_s=5.0,
        max_file_bytes=1000,
    )
    return msgspec.structs.replace(settings, telegram=section)


@pytest.fixture
async def ticking_store(settings: Settings) -> AsyncIterator[Store]:
    """A store by the real clock, since pauses that a server asks for pass by themselves."""
    opened = Store.open(settings)
    yield opened
    await opened.close()


@pytest.fixture
def open_line(telegram_settings: Settings, ticking_store: Store, telegram: FakeTelegram):
    """``async with open_line(mode)`` runs a server's path over Telegram."""

    @asynccontextmanager
    async def opened(mode: str = "polling", *, started: bool = True) -> AsyncIterator[Line]:
        section = msgspec.structs.replace(telegram_settings.telegram, mode=mode)
        runner = await _webhook_server() if mode == "webhook" else None
        address = f"http://127.0.0.1:{runner.addresses[0][1]}" if runner else ""
        http = msgspec.structs.replace(telegram_settings.http, public_url=address)
        given = msgspec.structs.replace(telegram_settings, telegram=section, http=http)
        line = Line(given, ticking_store, telegram)
        if runner is not None:
            runner.app[LINES].append(line)
        if started:
            await line.pipeline.start()
            await line.delivery.start()
            await line.channel.start()
        try:
            yield line
        finally:
            if started:
                await line.channel.stop()
                await line.delivery.stop()
                await line.pipeline.stop()
            if runner is not None:
                await runner.cleanup()

    return opened


async def _webhook_server() -> web.AppRunner:
    """The webhook's route alone, with the server's error answers."""
    lines: list[Line] = []

    app = web.Application(middlewares=[errors_middleware()])
    app[LINES] = lines
    app[SERVICES] = _Late(lines)
    for route in routes():
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


class _Late:
    """Services whose channel is built after the server has its port."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines

    @property
    def channels(self) -> dict[str, Any]:
        return dict(self._lines[0].channels)
