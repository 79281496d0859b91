"""Events by a short way: a plain request with a known token is read and answered in one step.

A general server spends more time on a request than all that is done with its event. The lane takes
connections first; whatever is not just such a request, or not right, goes to the server with the
whole connection, which answers as if there were no lane.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from aiohttp import web

from bot.api.event_body import events_of
from bot.api.events import PATH, SCOPE
from bot.api.metrics import METRICS
from bot.errors import NeurobotError
from bot.event import Event
from bot.http import REQUEST_ID_HEADER, SECURE, constant_headers, next_request_id
from bot.services import SERVICES

_BEGIN: Final = f"POST {PATH} HTTP/1.1\r\n".encode()
_END: Final = b"\r\n\r\n"
# A header as RFC 9112 has it, and of those only what changes nothing about how a body is read.
_HEADER: Final = re.compile(rb"([A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
_BEARER: Final = re.compile(r"Bearer ([A-Za-z0-9_.~+/=-]{1,200})")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_NEEDED: Final = frozenset({"host", "authorization", "content-length"})
_PASSED_OVER: Final = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-type", "user-agent",
     "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)  # fmt: skip
_MOST_HEADS: Final = 1_000
_MOST_AHEAD_BYTES: Final = 65_536  # of what comes before the last answer


@dataclass(frozen=True, slots=True)
class _Head:
    """What a request's head says. ``size``: of its body, bytes."""

    secret: str
    size: int


class EventLanes:
    """Connections of one server, and what they have in common.

    Args:
        app: whose routes answer everything else.
        server: makes its protocol for a connection.
        idle_s: after which a silent connection is cut.
    """

    def __init__(
        self, app: web.Application, server: Callable[[], asyncio.Protocol], *, idle_s: float
    ) -> None:
        services = app[SERVICES]
        self.server = server
        self.idle_s = idle_s
        self.open: set[EventLane] = set()
        self.no_content = _NoContent(secure=app.get(SECURE, False))
        self.intake = services.intake
        self.people = services.store.people
        self._metrics = app[METRICS]
        self._clock = services.clock
        self._max_body_bytes = services.settings.http.max_body_bytes
        self._max_event_bytes = services.settings.events.max_event_bytes
        self._heads: dict[bytes, _Head] = {}  # programs send the same few again and again

    def __call__(self) -> EventLane:
        """The protocol of a new connection."""
        return EventLane(self)

    async def close(self, within_s: float) -> None:
        """Hang up where nothing is being stored, and elsewhere after the answer."""
        for lane in list(self.open):
            lane.close()
        until = time.monotonic() + within_s
        while self.open and time.monotonic() < until:  # noqa: ASYNC110 - a rare and short wait
            await asyncio.sleep(0.01)

    def read(self, data: bytes) -> tuple[str, bytes] | None:
        """Token and body of a request that is plain and whole."""
        if not data.startswith(_BEGIN):
            return None
        head, _, body = data.partition(_END)
        known = self._heads.get(head) or self._learn(head)
        if known is None or known.size != len(body) or known.size > self._max_body_bytes:
            return None
        return known.secret, body

    def events(self, body: bytes) -> Sequence[Event] | None:
        """The events of a body, None where something is wrong with it."""
        try:
            return events_of(body, self._clock(), self._max_event_bytes)
        except NeurobotError:
            return None

    def answered(self, elapsed_s: float) -> None:
        """Count an answer."""
        self._metrics.answered("POST", PATH, 204)
        self._metrics.seconds.observe(elapsed_s)

    def _learn(self, head: bytes) -> _Head | None:
        found = _read_head(head)
        if found is not None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[head] = found
        return found


class EventLane(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, lanes: EventLanes) -> None:
        self._lanes = lanes
        self._transport: asyncio.Transport | None = None
        self._request = b""  # being answered
        self._ahead = b""  # what came before its answer
        self._began = 0.0
        self._closing = False
        self._unread = False  # more answers wait for the client than the kernel holds
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who says nothing for as long as a connection is kept is cut."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._lanes.open.add(self)
            self._began = time.perf_counter()
            self._look_again(self._lanes.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; what is being stored is stored."""
        del exc
        self._leave()
        self._transport = None

    def pause_writing(self) -> None:
        """The client does not read its answers: nor do we read its requests."""
        self._unread = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._unread = False
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Answer a request, or let the server do it."""
        if self._request:
            self._ahead += data
            if len(self._ahead) > _MOST_AHEAD_BYTES and self._transport is not None:
                self._transport.pause_reading()
            return
        self._began = time.perf_counter()
        self._request = data
        found = self._lanes.read(data)
        if found is None:
            self._hand_over()
            return
        secret, body = found
        token = self._lanes.people.known_token(secret)
        if token is None:
            self._task = asyncio.ensure_future(self._identify(secret, body))
        elif token.may(SCOPE):
            self._take(body)
        else:
            self._hand_over()

    def close(self) -> None:
        """Hang up, after the answer to what is being stored."""
        self._closing = True
        if not self._request and self._transport is not None:
            self._transport.close()

    async def _identify(self, secret: str, body: bytes) -> None:
        try:
            token = await self._lanes.people.token(secret)
        except NeurobotError:
            token = None
        if token is not None and token.may(SCOPE):
            self._take(body)
        else:
            self._hand_over()

    def _take(self, body: bytes) -> None:
        events = self._lanes.events(body)
        if events is None:
            self._hand_over()
            return
        try:
            stored = self._lanes.intake.offer(events)
        except NeurobotError:
            self._hand_over()
            return
        stored.add_done_callback(self._stored)

    def _stored(self, stored: asyncio.Future[int]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            self._hand_over()  # nothing was stored: the server tries again, and says why not
            return
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(self._lanes.no_content.answer())
        self._lanes.answered(time.perf_counter() - self._began)
        self._request = b""
        if self._closing:
            self._transport.close()
        elif self._ahead:
            ahead, self._ahead = self._ahead, b""
            if not self._unread:
                self._transport.resume_reading()
            self.data_received(ahead)

    def _hand_over(self) -> None:
        """The server goes on with the connection, from the request that was not answered."""
        transport, self._transport = self._transport, None
        self._leave()
        if transport is None or transport.is_closing():
            return
        protocol = self._lanes.server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        protocol.data_received(self._request + self._ahead)

    def _leave(self) -> None:
        self._lanes.open.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self, after_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(after_s, self._cut_idle)

    def _cut_idle(self) -> None:
        if self._transport is None:
            return
        left = self._began + self._lanes.idle_s - time.perf_counter()
        if self._request:
            left = self._lanes.idle_s
        elif left <= 0:
            self._transport.abort()
            return
        self._look_again(left)


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


def _read_head(head: bytes) -> _Head | None:
    """A head of one token and one length, with nothing that asks for more."""
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        matched = _HEADER.fullmatch(line)
        if matched is None:
            return None
        name = matched[1].decode().lower()
        if name not in _PASSED_OVER:
            if name not in _NEEDED or name in found:
                return None
            found[name] = matched[2].decode()
    if found.keys() != _NEEDED or not _LENGTH.fullmatch(found["content-length"]):
        return None
    bearer = _BEARER.fullmatch(found["authorization"])
    return None if bearer is None else _Head(bearer[1], int(found["content-length"]))
