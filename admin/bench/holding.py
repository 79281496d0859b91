"""Memory of visitors who have the chat open and say nothing, and search among many messages."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from admin.bench.judge import Judge
from admin.bench.material import Material
from admin.bench.process import free_port, running
from admin.bench.report import Row
from admin.bench.texts import TextMaker
from bot.domain import Inbound
from bot.settings import load_settings
from bot.store.store import Store

_BOUND_KB: Final = 20.0
_BOUND_MS: Final = 5.0
_SPARE_FILES: Final = 200
_AT_ONCE: Final = 1000
_CUSTOMERS: Final = 50_000
_SEARCHES: Final = 300
_LINGER_S: Final = 1.0

Tell = Callable[[str], None]


@dataclass(slots=True)
class Holding:
    """Rows beside bounds.

    Args:
        judge: takes the rows.
        material: texts.
    """

    judge: Judge
    material: Material

    def connections(self, count: int) -> None:
        """Memory of each of so many open chats; fewer where the system allows fewer files."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES
        count = min(count, most)
        held, foreign = self.judge.quietly(f"{count:,} open chats", lambda: self._open(count))
        row = Row("chat-idle-memory", "KB", held, _BOUND_KB, 1.0, about={"connections": count})
        self.judge.add(row, foreign)

    def search(self, messages: int) -> None:
        """p99 of finding conversations among so many messages, by one word and by two."""
        store = self._filled(messages)
        try:
            for name, words in (("newest", 1), ("two-words", 2)):
                waits, foreign = self.judge.quietly(
                    f"search among {messages:,} messages",
                    lambda count=words: self._searches(store, count),  # type: ignore[misc]
                )
                p50, p99 = np.quantile(waits, [0.5, 0.99]).tolist()
                row = Row(
                    f"search-{name}-{messages}", "ms", p99, _BOUND_MS, 1.0,
                    about={"p50_ms": round(p50, 3)},
                )  # fmt: skip
                self.judge.add(row, foreign)
        finally:
            asyncio.run(store.close())

    def _open(self, count: int) -> float:
        port = free_port()
        config, _ = self.material.server_files(0, "NORMAL", port)
        command = [sys.executable, "-m", "admin", "--config", str(config), "serve"]
        log = self.material.folder / "chats.log"
        with running(command, port=port, ready="/ready", log=log) as server, ExitStack() as held:
            token = _post(port, "visitors", {}, "")["token"]
            said = {"id": "first-message", "text": "is anybody there"}
            conversation = _post(port, "messages", said, token)["conversation"]
            wanted = (
                f"GET /chat/events?conversation={conversation} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {token}\r\n\r\n"
            ).encode()
            warm = count // 10 + 1
            for _ in range(warm):  # what the first ones bring with them stays out
                _stream(port, wanted, held)
            server.wait_until_idle(60.0)
            before = server.resident_bytes()
            for _ in range(count - warm):
                _stream(port, wanted, held)
            server.wait_until_idle(60.0)
            time.sleep(_LINGER_S)
            return (server.resident_bytes() - before) / max(count - warm, 1) / 1024

    def _filled(self, count: int) -> Store:
        config, _ = self.material.server_files(0, "NORMAL", free_port())
        store = Store.open(load_settings(config, environ={}), time.time)
        asyncio.run(fill(store, TextMaker(self.material.sources, seed=2), count, self.judge.tell))
        return store

    def _searches(self, store: Store, words: int) -> list[float]:
        rng = np.random.default_rng(words)
        asked = [text.split() for text in self.material.questions()]
        queries: list[str] = []
        while len(queries) < _SEARCHES:
            known = [word for word in asked[len(queries) % len(asked)] if len(word) > 3]
            picked = rng.permutation(len(known))[:words].tolist()
            queries.append(" ".join(known[place] for place in picked) or "order")
        return asyncio.run(_timed(store, queries))


async def fill(store: Store, maker: TextMaker, count: int, tell: Tell) -> None:
    """Store so many customers' messages, by the way they come in."""
    texts = maker.questions(min(count, 20_000))
    for at in range(0, count, _AT_ONCE):
        if at % 100_000 == 0:
            tell(f"storing {count:,} messages: {at * 100 // count} %")
        now = time.time()
        await store.conversations.receive([
            Inbound(
                "rest", f"m{n}", f"c{n % _CUSTOMERS}",
                f"{texts[n % len(texts)]} {texts[(n * 7919) % len(texts)]}", now,
            )
            for n in range(at, min(at + _AT_ONCE, count))
        ])  # fmt: skip


async def _timed(store: Store, queries: Sequence[str]) -> list[float]:
    """Milliseconds of each search, all asked before: of the store, not of the disk beneath it."""
    waits = []
    for query in (*queries, *queries):
        began = time.perf_counter()
        await store.conversations.search(query)
        waits.append((time.perf_counter() - began) * 1e3)
    return waits[len(queries) :]


def _stream(port: int, wanted: bytes, held: ExitStack) -> None:
    """An open stream whose first event has arrived."""
    wire = held.enter_context(socket.create_connection(("127.0.0.1", port), 30.0))
    wire.sendall(wanted)
    got = b""
    while b"event:" not in got:
        part = wire.recv(65_536)
        if not part:
            raise ConnectionError(f"The chat refused a stream: {got[:200]!r}")
        got += part


def _post(port: int, name: str, body: dict[str, Any], token: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/chat/{name}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        found: dict[str, Any] = json.loads(answer.read())
        return found
