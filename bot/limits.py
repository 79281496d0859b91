"""How much one client may ask for: rates per address, and the reaper of readers that stand still.

Slow request heads end by the keep-alive time (``KEEPALIVE_S``), slow bodies by ``bot.http``.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from aiohttp import web

from bot.errors import SettingsInvalid, TooManyRequests

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Also the longest that an unfinished request head may take.
KEEPALIVE_S = 10.0
STALLED_S = 10.0  # of a reader: nothing taken of what waits for it
_MAX_KEYS = 20_000


class RateLimiter:
    """A token bucket per key; forgets the keys longest unseen beyond 20,000.

    Args:
        limit: requests in ``per_s`` seconds, also the largest burst.
        per_s: seconds.
        now: monotonic seconds.
    """

    def __init__(
        self, limit: int, per_s: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = float(limit)
        self._rate = limit / per_s
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Count one request of ``key``.

        Raises:
            TooManyRequests: its bucket is empty; ``retry_after_s`` says when it is not.
        """
        self.check(key)
        self.count(key)

    def check(self, key: str) -> None:
        """Same as ``take``, without counting."""
        left = self._left(key)
        if left < 1:
            raise TooManyRequests(retry_after_s=max(1, math.ceil((1 - left) / self._rate)))

    def count(self, key: str) -> None:
        """Count without refusing."""
        self._store(key, max(0.0, self._left(key) - 1))

    def give_back(self, key: str) -> None:
        """Undo one ``count``."""
        if key in self._buckets:
            self._store(key, min(self._limit, self._left(key) + 1))

    def used(self, key: str) -> float:
        """How much of the bucket is gone."""
        return self._limit - self._left(key)

    def forget(self, key: str) -> None:
        """Fill the bucket of ``key`` again."""
        self._buckets.pop(key, None)

    def _left(self, key: str) -> float:
        left, at = self._buckets.get(key, (self._limit, self._now()))
        return min(self._limit, left + (self._now() - at) * self._rate)

    def _store(self, key: str, left: float) -> None:
        self._buckets[key] = (left, self._now())
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_KEYS:
            self._buckets.popitem(last=False)


class ClientAddresses:
    """Where requests come from, believing ``X-Forwarded-*`` of trusted proxies alone.

    Raises:
        SettingsInvalid: a proxy is neither an address nor a network.
    """

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        try:
            self._trusted: Sequence[Network] = [
                ipaddress.ip_network(entry, strict=False) for entry in trusted_proxies
            ]
        except ValueError as error:
            raise SettingsInvalid(
                f"Settings: http.trusted_proxies: {error}.",
                remedy='Give addresses or networks, e.g. ["127.0.0.1", "10.0.0.0/8"].',
            ) from error

    def address(self, request: web.Request) -> str:
        """Address of the client, ``"unix"`` where the connection has none."""
        peer = request.remote or "unix"
        if not self._is_trusted(peer):
            return peer
        hops = [
            hop.strip()
            for header in request.headers.getall("X-Forwarded-For", [])
            for hop in header.split(",")
        ]
        for hop in reversed(hops):
            if _parse(hop) is None:
                break
            peer = hop
            if not self._is_trusted(hop):
                break
        return peer

    def is_secure(self, request: web.Request) -> bool:
        """True when the client speaks https to us or to a trusted proxy."""
        if request.transport is not None and request.transport.get_extra_info("sslcontext"):
            return True
        proto = request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower()
        return proto == "https" and self._is_trusted(request.remote or "")

    def is_local(self, request: web.Request) -> bool:
        """True when the client itself is on this machine.

        A proxy here that is not trusted speaks for somebody unknown: not local.
        """
        forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
        if forwarded and not self._is_trusted(request.remote or ""):
            return False
        parsed = _parse(self.address(request))
        return parsed is not None and parsed.is_loopback

    def _is_trusted(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


class Reaper:
    """Cuts connections whose client has stopped reading what we wrote.

    Without it a client that never reads keeps a handler, and its buffers, for ever.
    """

    def __init__(
        self, server: web.Server, *, stalled_s: float = STALLED_S, every_s: float = 1.0
    ) -> None:
        self._server = server
        self._stalled_s = stalled_s
        self._every_s = every_s
        self._since: dict[int, tuple[int, float]] = {}  # connection -> bytes waiting, since when
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="reaper")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> int:
        """Cut what has stood still since ``stalled_s``; gives the number of connections cut."""
        seen: dict[int, tuple[int, float]] = {}
        cut = 0
        for connection in list(self._server.connections):
            transport = connection.transport
            if transport is None:
                continue
            waiting = transport.get_write_buffer_size()
            if waiting == 0:
                continue
            before, since = self._since.get(id(connection), (waiting, now))
            if waiting < before:
                since = now
            if now - since >= self._stalled_s:
                _forget(transport)
                cut += 1
            else:
                seen[id(connection)] = (waiting, since)
        self._since = seen
        return cut


def _forget(transport: asyncio.Transport) -> None:
    """Close at once and drop what the kernel still holds for it, megabytes that nobody reads."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
