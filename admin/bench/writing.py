"""Acknowledged writes: the store's group commit beside one commit a message."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from admin.bench.dense_store import prepare_tables
from admin.bench.judge import Judge
from admin.bench.peer_environment import Peers
from admin.bench.process import SETTINGS
from admin.bench.report import Row
from bot.domain import Inbound
from bot.errors import NeurobotError
from bot.store.database import Database
from bot.store.migrations import migrate
from bot.store.store import Store

Durable = Literal["FULL", "NORMAL"]
_IN_FLIGHT: Final = 128
_TURNS: Final = 3  # ours and theirs in turn, so that a slow disk meets both
_PATIENCE_S: Final = 300.0
_FLOORS: Final[tuple[tuple[Durable, float], ...]] = (("NORMAL", 10.0), ("FULL", 50.0))


@dataclass(frozen=True, slots=True)
class _Rate:
    """Acknowledged messages a second, and processor microseconds of each."""

    per_s: float
    cpu_us: float


@dataclass(slots=True)
class Writing:
    """The rows of acknowledged writes.

    Args:
        judge: takes the rows.
        peers: the other side.
        folder: on the disk that is written to.
        seconds: of each turn.
    """

    judge: Judge
    peers: Peers
    folder: Path
    seconds: float

    def compare(self) -> None:
        """The same two rows a message, on both sides, at both levels of durability."""
        reason = self.peers.lacking("web")
        for durable, floor in _FLOORS:
            name = f"writes-sqlite-utils-{durable.lower()}"
            if reason:
                self.judge.skip([name], reason)
                continue
            (ours, theirs, whole), foreign = self.judge.quietly(
                f"writes, {durable}",
                lambda d=durable: self._turns(d),  # type: ignore[misc]
            )
            about = {
                "ours_cpu_us": round(ours.cpu_us, 1),
                "peer_cpu_us": round(theirs.cpu_us, 1),
                "whole_message_per_s": round(whole.per_s),
                "whole_message_cpu_us": round(whole.cpu_us, 1),
            }
            row = Row(name, "per s", ours.per_s, theirs.per_s, floor, rate=True, about=about)
            self.judge.add(row, foreign)

    def _turns(self, durable: Durable) -> tuple[_Rate, _Rate, _Rate]:
        """Ours, theirs, and ours with all that belongs to a received message: medians."""
        turns: list[tuple[_Rate, _Rate, _Rate]] = []
        for _ in range(_TURNS):
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                folder = Path(name)
                turns.append((
                    asyncio.run(_rows(folder / "ours.db", durable, self.seconds)),
                    self._peer(folder / "peer.db", durable),
                    asyncio.run(_messages(folder / "whole.db", durable, self.seconds)),
                ))  # fmt: skip
        first, second, third = (
            sorted(side, key=lambda rate: rate.per_s)[len(turns) // 2]
            for side in zip(*turns, strict=True)
        )
        return first, second, third

    def _peer(self, database: Path, durable: str) -> _Rate:
        command = [str(self.peers.python), "-m", "admin.bench.peers.writing"]
        done = subprocess.run(  # noqa: S603 - our own program
            [*command, str(database), durable, str(self.seconds)],
            env={**os.environ, **SETTINGS}, capture_output=True, text=True, check=False,
            timeout=_PATIENCE_S,
        )  # fmt: skip
        if done.returncode:
            raise NeurobotError(f"sqlite-utils failed: {done.stderr.strip()[-200:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        return _Rate(found["per_s"], found["cpu_us"])


async def _rows(path: Path, durable: Durable, seconds: float) -> _Rate:
    database = Database(path, durable, 1, prepare_tables)

    async def write(number: int) -> None:
        def insert(connection: Any) -> None:
            text = f"message {number} of a customer who waits for an answer"
            row = "INSERT INTO messages (text, at) VALUES (?, ?)"
            key = connection.execute(row, (text, time.time())).lastrowid
            kept = "INSERT INTO suggestions (message_id, payload) VALUES (?, ?)"
            connection.execute(kept, (key, "[1,2,3,4,5,6,7,8,9,10]"))

        await database.write(insert)

    try:
        return await _in_flight(write, seconds)
    finally:
        await database.close()


async def _messages(path: Path, durable: Durable, seconds: float) -> _Rate:
    """What the product really does with a message that comes in."""
    store = Store(Database(path, durable, 1, prepare=migrate), time.time)

    async def write(number: int) -> None:
        text = f"message {number} of a customer who waits for an answer"
        inbound = Inbound("rest", f"m{number}", f"c{number % 1000}", text, time.time())
        await store.conversations.receive([inbound])

    try:
        return await _in_flight(write, seconds)
    finally:
        await store.close()


async def _in_flight(write: Any, seconds: float) -> _Rate:
    began, spent, count = time.perf_counter(), time.process_time(), 0

    async def writer() -> None:
        nonlocal count
        while time.perf_counter() - began < seconds:
            count += 1
            await write(count)

    await asyncio.gather(*(writer() for _ in range(_IN_FLIGHT)))
    waited = time.perf_counter() - began
    return _Rate(count / waited, (time.process_time() - spent) / count * 1e6)
