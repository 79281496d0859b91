"""Open event streams: one whose client has left ends within a second, not with its next event.

The web library lets a handler go on when its client leaves, which is right for what it writes. A
stream would wait for news of its conversation for ever, and each would keep its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from bot.bus import Subscription

_EVERY_S = 1.0


class Streams:
    """The streams of a server."""

    def __init__(self) -> None:
        self._open: dict[Subscription, web.Request] = {}

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def follow(self, request: web.Request, news: Subscription) -> Iterator[Subscription]:
        """``news`` for this request; it is closed when the client leaves."""
        self._open[news] = request
        try:
            with news:
                yield news
        finally:
            self._open.pop(news)

    def sweep(self) -> None:
        """Close the news of those who left."""
        for news, request in tuple(self._open.items()):
            if request.transport is None or request.transport.is_closing():
                news.close()

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.sweep()


STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)


def setup(app: web.Application) -> None:
    """Sweep the application's streams while it runs."""
    app[STREAMS] = Streams()
    app.cleanup_ctx.append(_sweeping)


async def _sweeping(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[STREAMS].run(), name="streams")
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
