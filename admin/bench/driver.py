"""Load on a server over loopback: keep-alive connections in one thread, closed or open loop.

Sockets without a client library, so that what is measured is the server and not the client.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import msgspec
import numpy as np

_PATIENCE_S: Final = 60.0
_CHUNK: Final = 262_144


@dataclass(slots=True)
class Seen:
    """What clients saw: milliseconds of each answer that was good, and how many were not."""

    waits_ms: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0

    @property
    def p50(self) -> float:
        """Median wait."""
        return float(np.quantile(self.waits_ms, 0.5))

    @property
    def p99(self) -> float:
        """99th percentile."""
        return float(np.quantile(self.waits_ms, 0.99))

    def figures(self) -> dict[str, float]:
        """``n``, ``p50_ms``, ``p99_ms``, ``per_s``, ``failed``."""
        return {
            "n": len(self.waits_ms),
            "p50_ms": round(self.p50, 3),
            "p99_ms": round(self.p99, 3),
            "per_s": round(len(self.waits_ms) / max(self.seconds, 1e-9), 1),
            "failed": self.failed,
        }


def requests(
    path: str, bodies: Sequence[Mapping[str, Any]], headers: Mapping[str, str] | None = None
) -> list[bytes]:
    """POST requests with JSON bodies, as they go over the wire."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    made = []
    for body in bodies:
        data = msgspec.json.encode(body)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        made.append(head.encode("ascii") + data)
    return made


def closed_loop(
    port: int, wanted: Sequence[bytes], *, connections: int, seconds: float, most: int = 1 << 30
) -> Seen:
    """Each connection sends its next request as soon as it is answered.

    Ends after ``seconds`` or ``most`` requests, whichever comes first; a request counts from its
    sending.
    """
    with _Connections(port, connections) as wires:
        return wires.drive(wanted, most=most, until=time.perf_counter() + seconds)


def open_loop(
    port: int, wanted: Sequence[bytes], *, per_second: float, seconds: float, connections: int
) -> Seen:
    """Requests at a fixed rate, whatever the server does; each counts from when it was due."""
    count = max(1, int(per_second * seconds))
    began = time.perf_counter()
    due = deque(began + number / per_second for number in range(count))
    with _Connections(port, connections) as wires:
        return wires.drive(wanted, most=count, until=began + seconds + _PATIENCE_S, due=due)


class _Wire:
    """One connection and the answer that is arriving on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self._got = bytearray()

    def send(self, data: bytes, since: float) -> None:
        self.since = since
        self._got.clear()
        self.socket.sendall(data)

    def receive(self) -> bool | None:
        """True or False for a whole answer that is good or not, None while more is to come."""
        data = self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("The server closed the connection.")
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._got[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._got) < end + 4 + length:
            return None
        return head[9:10] == b"2"


class _Connections:
    def __init__(self, port: int, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle = deque(_Wire(port) for _ in range(count))
        self._wires = list(self._idle)
        for wire in self._wires:
            self._selector.register(wire.socket, selectors.EVENT_READ, wire)

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *error: object) -> None:
        self._selector.close()
        for wire in self._wires:
            wire.socket.close()

    def drive(
        self, wanted: Sequence[bytes], *, most: int, until: float, due: deque[float] | None = None
    ) -> Seen:
        seen, source = Seen(), cycle(wanted)
        began, sent = time.perf_counter(), 0
        while True:
            now = time.perf_counter()
            open_still = sent < most and now < until
            while self._idle and open_still and (due is None or due[0] <= now):
                wire = self._idle.popleft()
                wire.send(next(source), now if due is None else due.popleft())
                sent += 1
                open_still = sent < most
            if len(self._idle) == len(self._wires) and not open_still:
                break
            wait_s = 1.0 if not due else max(0.0, due[0] - time.perf_counter())
            if now > until + _PATIENCE_S:
                raise TimeoutError("A server did not answer.")
            self._collect(seen, wait_s if self._idle else 1.0)
        seen.seconds = time.perf_counter() - began
        return seen

    def _collect(self, seen: Seen, wait_s: float) -> None:
        for key, _ in self._selector.select(wait_s):
            wire: _Wire = key.data
            good = wire.receive()
            if good is None:
                continue
            if good:
                seen.waits_ms.append((time.perf_counter() - wire.since) * 1e3)
            else:
                seen.failed += 1
            self._idle.append(wire)
