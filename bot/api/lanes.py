"""Plain requests by a short way: read on the connection itself and answered in one step.

A general server spends more time on a small request than all that is done with it. A lane takes
connections first; whatever is not just a request of its kind, or not right, goes to the server with
the whole connection, which answers as if there were no lane.
"""

from __future__ import annotations

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_END: Final = b"\r\n\r\n"
# A header as RFC 9112 has it, and of those only what changes nothing about how a body is read.
_HEADER: Final = re.compile(rb"([A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
_BEARER: Final = re.compile(r"Bearer ([A-Za-z0-9_.~+/=-]{1,200})")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_READ: Final = frozenset({"host", "authorization", "content-length"})
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


class Lanes(ABC):
    """Connections of one server, and what they have in common.

    Args:
        path: whose POST requests are answered here.
        server: makes its protocol for a connection.
        idle_s: after which a silent connection is cut.
        max_body_bytes: of a request.
    """

    def __init__(
        self, path: str, server: Callable[[], asyncio.Protocol], *, idle_s: float,
        max_body_bytes: int,
    ) -> None:  # fmt: skip
        self.server = server
        self.idle_s = idle_s
        self.open: set[Lane] = set()
        self._begin = f"POST {path} HTTP/1.1\r\n".encode()
        self._max_body_bytes = max_body_bytes
        self._heads: dict[bytes, _Head] = {}  # programs send the same few again and again

    @abstractmethod
    def take(self, lane: Lane, secret: str, body: bytes) -> None:
        """Answer a request or hand it over, now or later; ``secret``: empty without a token."""

    def __call__(self) -> Lane:
        """The protocol of a new connection."""
        return Lane(self)

    async def close(self, within_s: float) -> None:
        """Hang up where nothing is being done, and elsewhere after the answer."""
        for lane in list(self.open):
            lane.close()
        until = time.monotonic() + within_s
        while self.open and time.monotonic() < until:  # noqa: ASYNC110 - a rare and short wait
            await asyncio.sleep(0.01)

    def read(self, data: bytes) -> tuple[str, bytes] | None:
        """Token and body of a request that is plain and whole."""
        if not data.startswith(self._begin):
            return None
        head, _, body = data.partition(_END)
        known = self._heads.get(head) or self._learn(head)
        if known is None or known.size != len(body) or known.size > self._max_body_bytes:
            return None
        return known.secret, body

    def _learn(self, head: bytes) -> _Head | None:
        found = _read_head(head)
        if found is not None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[head] = found
        return found


class Lane(asyncio.Protocol):
    """One connection, one request at a time. ``began``: when that was read, of perf_counter."""

    def __init__(self, lanes: Lanes) -> None:
        self.began = 0.0
        self._lanes = lanes
        self._transport: asyncio.Transport | None = None
        self._request = b""  # being answered
        self._ahead = b""  # what came before its answer
        self._closing = False
        self._unread = False  # more answers wait for the client than the kernel holds
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; who says nothing for as long as a connection is kept is cut."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._lanes.open.add(self)
            self.began = time.perf_counter()
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
        self.began = time.perf_counter()
        self._request = data
        found = self._lanes.read(data)
        if found is None:
            self.hand_over()
        else:
            self._lanes.take(self, *found)

    def answer(self, data: bytes) -> bool:
        """Write the answer to the request and read the next one; False: nobody waits for it."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        self._request = b""
        if self._closing:
            self._transport.close()
        elif self._ahead:
            ahead, self._ahead = self._ahead, b""
            if not self._unread:
                self._transport.resume_reading()
            self.data_received(ahead)
        return True

    def hand_over(self) -> None:
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

    def close(self) -> None:
        """Hang up, after the answer to what is being done."""
        self._closing = True
        if not self._request and self._transport is not None:
            self._transport.close()

    def _leave(self) -> None:
        self._lanes.open.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self, after_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(after_s, self._cut_idle)

    def _cut_idle(self) -> None:
        if self._transport is None:
            return
        left = self.began + self._lanes.idle_s - time.perf_counter()
        if self._request:
            left = self._lanes.idle_s
        elif left <= 0:
            self._transport.abort()
            return
        self._look_again(left)


def _read_head(head: bytes) -> _Head | None:
    """A head of one length and at most one token, with nothing that asks for more."""
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        matched = _HEADER.fullmatch(line)
        if matched is None:
            return None
        name = matched[1].decode().lower()
        if name not in _PASSED_OVER:
            if name not in _READ or name in found:
                return None
            found[name] = matched[2].decode()
    if "host" not in found or not _LENGTH.fullmatch(found.get("content-length", "")):
        return None
    size = int(found["content-length"])
    if "authorization" not in found:
        return _Head("", size)
    bearer = _BEARER.fullmatch(found["authorization"])
    return None if bearer is None else _Head(bearer[1], size)
