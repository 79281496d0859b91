"""Events by a short way: a plain request with a known token is read and answered in one step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

from aiohttp import web

from bot.api.event_body import events_of
from bot.api.events import PATH, SCOPE
from bot.api.lanes import Lane, Lanes
from bot.api.metrics import METRICS
from bot.errors import NeurobotError
from bot.http import REQUEST_ID_HEADER, SECURE, constant_headers, next_request_id
from bot.services import SERVICES


class EventLanes(Lanes):
    """Connections of one server whose events are stored without it.

    Args:
        app: whose routes answer everything else.
        server: makes its protocol for a connection.
        idle_s: after which a silent connection is cut.
    """

    def __init__(
        self, app: web.Application, server: Callable[[], asyncio.Protocol], *, idle_s: float
    ) -> None:
        services = app[SERVICES]
        limit = services.settings.http.max_body_bytes
        super().__init__(PATH, server, idle_s=idle_s, max_body_bytes=limit)
        self._no_content = _NoContent(secure=app.get(SECURE, False))
        self._intake = services.intake
        self._people = services.store.people
        self._metrics = app[METRICS]
        self._clock = services.clock
        self._max_event_bytes = services.settings.events.max_event_bytes
        self._asking: set[asyncio.Task[None]] = set()

    def take(self, lane: Lane, secret: str, body: bytes) -> None:
        """Store the events of a request, and answer when they are."""
        token = self._people.known_token(secret) if secret else None
        if token is None and secret:
            asking = asyncio.ensure_future(self._identify(lane, secret, body))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        elif token is not None and token.may(SCOPE):
            self._store(lane, body)
        else:
            lane.hand_over()

    async def _identify(self, lane: Lane, secret: str, body: bytes) -> None:
        try:
            token = await self._people.token(secret)
        except NeurobotError:
            token = None
        if token is not None and token.may(SCOPE):
            self._store(lane, body)
        else:
            lane.hand_over()

    def _store(self, lane: Lane, body: bytes) -> None:
        try:
            events = events_of(body, self._clock(), self._max_event_bytes)
            stored = self._intake.offer(events)
        except NeurobotError:  # something is wrong with it: the server says what
            lane.hand_over()
        else:
            stored.add_done_callback(partial(self._stored, lane))

    def _stored(self, lane: Lane, stored: asyncio.Future[int]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            lane.hand_over()  # nothing was stored: the server tries again, and says why not
            return
        began = lane.began
        if lane.answer(self._no_content.answer()):
            self._metrics.answered("POST", PATH, 204)
            self._metrics.seconds.observe(time.perf_counter() - began)


class _NoContent:
    """The bytes of an answer 204 as the server gives it."""

    def __init__(self, *, secure: bool) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in constant_headers(secure=secure))
        self._head = f"HTTP/1.1 204 No Content\r\n{lines}"
        self._second = 0
        self._before_id = b""

    def answer(self) -> bytes:
        """One answer, with its time and an id of its own."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True)
            self._before_id = f"{self._head}Date: {date}\r\n{REQUEST_ID_HEADER}: ".encode()
        return b"%s%s\r\n\r\n" % (self._before_id, next_request_id().encode())
