"""Clients of a server: at a fixed rate whatever it does, or each waiting for its answer."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import aiohttp
import numpy as np

_TOP: Final = 5
_PATIENCE_S: Final = 60.0


@dataclass(slots=True)
class Load:
    """What clients have seen: milliseconds of each suggestion and message, and failed requests."""

    suggest_ms: list[float] = field(default_factory=list)
    message_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def figures(self) -> dict[str, float]:
        """Of the suggestions: ``n``, ``p50``, ``p99``; ``message_p99``; ``failed``."""
        p50, p99 = quantiles(self.suggest_ms)
        return {
            "n": len(self.suggest_ms),
            "p50": p50,
            "p99": p99,
            "message_p99": quantiles(self.message_ms)[1],
            "failed": self.failed,
        }


def quantiles(waits_ms: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    p50, p99 = np.quantile(waits_ms, [0.5, 0.99]).tolist()
    return p50, p99


class Clients:
    """Customers who write and agents' programs that ask, with the same questions in turn."""

    def __init__(self, session: aiohttp.ClientSession, questions: Sequence[str]) -> None:
        self._session = session
        self._questions = questions
        self._number = count()

    @asynccontextmanager
    async def at_rate(self, per_second: float) -> AsyncIterator[Load]:
        """So many suggestions and as many messages every second while the context lasts.

        Times run from the moment at which a request was due, so that what a slow server holds up
        is counted too.
        """
        load = Load()
        over = asyncio.Event()
        sender = asyncio.create_task(self._send(per_second, load, over))
        try:
            yield load
        finally:
            over.set()
            await sender

    @asynccontextmanager
    async def waiting(self, clients: int) -> AsyncIterator[Load]:
        """So many clients, each of which asks as soon as it is answered, while it lasts."""
        load = Load()
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._insist(load, over)) for _ in range(clients)]
        try:
            yield load
        finally:
            over.set()
            await asyncio.gather(*tasks)

    async def suggestions(self, questions: Sequence[str]) -> list[dict[str, Any]]:
        """All that is said to each question but the time that it took."""
        found = []
        for text in questions:
            body = {"text": text, "top_k": _TOP}
            async with self._session.post("/api/v1/suggest", json=body) as response:
                response.raise_for_status()
                found.append(await response.json())
            del found[-1]["elapsed_ms"]
        return found

    async def _send(self, per_second: float, load: Load, over: asyncio.Event) -> None:
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in count():
                due = began + number / per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if over.is_set():
                    return
                tasks.create_task(self._suggest(load, due))
                tasks.create_task(self._write(load, due))

    async def _insist(self, load: Load, over: asyncio.Event) -> None:
        while not over.is_set():
            await self._suggest(load, time.perf_counter())

    async def _suggest(self, load: Load, due: float) -> None:
        body = {"text": self._question(), "top_k": _TOP}
        if await self._done("/api/v1/suggest", body, load):
            load.suggest_ms.append((time.perf_counter() - due) * 1e3)

    async def _write(self, load: Load, due: float) -> None:
        key = secrets.token_hex(8)
        body = {"text": self._question(), "external_id": key, "customer": {"id": key}}
        if await self._done("/api/v1/messages", body, load):
            load.message_ms.append((time.perf_counter() - due) * 1e3)

    async def _done(self, path: str, body: dict[str, Any], load: Load) -> bool:
        patience = aiohttp.ClientTimeout(total=_PATIENCE_S)
        try:
            async with self._session.post(path, json=body, timeout=patience) as response:
                await response.read()
                good = response.status < 400
        except (aiohttp.ClientError, TimeoutError):
            good = False
        load.failed += not good
        return good

    def _question(self) -> str:
        return self._questions[next(self._number) % len(self._questions)]
