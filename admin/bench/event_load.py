"""Many small requests over loopback sockets, cheaply: bytes that are ready, an answer by its head.

A general client takes more time for a request than the server that it measures.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import msgspec

from bot.event import PAGE_VIEW, Event

SITE: Final = "https://shop.example.org"  # of the desk itself: its pages are learnt from views
_VISITORS: Final = 20_000
_PAGES: Final = 500
_GOOD: Final = b"HTTP/1.1 204"
_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Load:
    """What clients have seen. ``waits_ms`` is of acknowledged requests."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    waits_ms: list[float] = field(default_factory=list)


class Requests:
    """Requests of ``size`` events each, all of them with ids of their own."""

    def __init__(self, token: str, size: int) -> None:
        self.size = size
        self._run = secrets.token_hex(4)
        self._number = count()
        self._head = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()

    def next(self) -> bytes:
        """The next request, whole."""
        events = [self._event() for _ in range(self.size)]
        body = msgspec.json.encode(events if self.size > 1 else events[0])
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def _event(self) -> Event:
        number = next(self._number)
        page = number * 7 % _PAGES
        return Event(
            id=f"{self._run}-{number:010d}-{number * 2_654_435_761 % 2**32:08x}",
            at=time.time(),
            name=PAGE_VIEW,
            visitor=f"v{number * 7919 % _VISITORS}",
            url=f"{SITE}/goods/{page}",
            title=f"Goods number {page}",
            h1=f"Number {page}",
        )


class Connections:
    """A number of connections; each has one request in flight."""

    def __init__(self, load: Load, requests: Requests) -> None:
        self.load = load
        self.idle: deque[_Connection] = deque()
        self._requests = requests
        self._due: deque[float] = deque()
        self._closed_loop_until = 0.0

    async def open(self, port: int, number: int) -> None:
        """Connect."""
        loop = asyncio.get_running_loop()
        for _ in range(number):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._answered), "127.0.0.1", port
            )
            self.idle.append(connection)

    async def at_rate(self, events_per_s: float, seconds: float) -> None:
        """Requests at a fixed rate whatever the server does; waits run from when each was due."""
        began = time.perf_counter()
        rate = events_per_s / self._requests.size
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            self._due.append(due)
            self._send()
        await self._drained()

    async def closed(self, seconds: float) -> None:
        """Each connection sends as soon as it is answered."""
        self._closed_loop_until = time.perf_counter() + seconds
        for _ in range(len(self.idle)):
            self._due.append(time.perf_counter())
        self._send()
        await asyncio.sleep(seconds)
        await self._drained()

    def close(self) -> None:
        """Hang up."""
        for connection in self.idle:
            connection.hang_up()

    async def _drained(self) -> None:
        while self.load.sent > self.load.acknowledged + self.load.refused:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _send(self) -> None:
        while self._due and self.idle:
            self.load.sent += self._requests.size
            self.idle.popleft().send(self._requests.next(), self._due.popleft())

    def _answered(self, connection: _Connection, due: float, *, good: bool) -> None:
        now = time.perf_counter()
        if good:
            self.load.acknowledged += self._requests.size
            self.load.waits_ms.append((now - due) * 1e3)
        else:
            self.load.refused += self._requests.size
        self.idle.append(connection)
        if now < self._closed_loop_until:
            self._due.append(now)
        self._send()


class _Connection(asyncio.Protocol):
    def __init__(self, answered: Callable[..., None]) -> None:
        self._answered = answered
        self._due = 0.0
        self._head = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if not self._head.startswith(_GOOD):
            if b"}" not in self._head:  # the body of a refusal
                return
        elif not self._head.endswith(_END):
            return
        good, self._head = self._head.startswith(_GOOD), b""
        self._answered(self, self._due, good=good)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
