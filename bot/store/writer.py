"""The writer thread: drain the queue, run each task in a savepoint, commit once, answer."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from bot.errors import StorageUnavailable

# Writes that may wait for their turn: twenty full batches. On a disk that needs half a second for a
# commit that is ten seconds; who waits longer gives up and sends again, and only memory would grow.
MAX_WAITING = 10_000
_MAX_BATCH = 512
_IDLE_S = 0.25  # quiet time after which the WAL is folded into the file
_CHECKPOINT_CHANGES = 5_000
_CHECKPOINT_BYTES = 16 * 1024 * 1024

# Primary result codes after which nothing of the batch can be trusted to be stored.
_DISK = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)


@dataclass(frozen=True, slots=True)
class Task:
    """A write that waits for its turn."""

    fn: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    alone: bool = False  # outside of any transaction, as VACUUM must be


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of the queue."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    future: asyncio.Future[Any]
    value: Any
    error: BaseException | None


class _BatchLost(Exception):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Writer:
    """Owns the only connection that writes. Counters are read by ``health`` from other threads."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, tasks: queue.SimpleQueue[Task | Stop]
    ) -> None:
        self._connection = connection
        self._wal = path.with_name(path.name + "-wal")
        self._tasks = tasks
        self._changes_at_checkpoint = 0
        self._wal_at_checkpoint = 0
        self.commits = 0
        self.writes = 0
        self.failures = 0
        self.last_error = ""
        self.last_checkpoint_at: float | None = None

    def run(self) -> None:
        """Work until ``Stop``; then empty the WAL and close."""
        stopped = False
        while not stopped:
            batch, stopped = self._take()
            for alone, tasks in groupby(batch, key=lambda task: task.alone):
                part = list(tasks)
                self._answer(part, self._apart(part) if alone else self._commit(part))
                if self._wal_is_long():
                    self._checkpoint("PASSIVE")
        self._checkpoint("TRUNCATE")
        self._connection.close()

    def _take(self) -> tuple[list[Task], bool]:
        """What is queued now; waits only when nothing is."""
        batch: list[Task] = []
        try:
            item = self._tasks.get(timeout=_IDLE_S) if self._dirty() else self._tasks.get()
        except queue.Empty:
            self._checkpoint("PASSIVE")
            item = self._tasks.get()
        while True:
            if isinstance(item, Stop):
                return batch, True
            batch.append(item)
            if len(batch) >= _MAX_BATCH:
                return batch, False
            try:
                item = self._tasks.get_nowait()
            except queue.Empty:
                return batch, False

    def _commit(self, batch: list[Task]) -> list[_Outcome]:
        """Outcome of each task, all after one COMMIT, or all failed."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._one(task) for task in batch] if batch[1:] else self._lone(batch[0])
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._failed(batch, error)
        except _BatchLost as lost:
            return self._failed(batch, lost.cause)
        self.commits += 1
        self.writes += len(batch)
        self.last_error = ""
        return outcomes

    def _lone(self, task: Task) -> list[_Outcome]:
        """The outcome of a task that is a transaction by itself."""
        try:
            return [_Outcome(task.future, task.fn(self._connection), None)]
        except Exception as error:
            if is_disk(error) or not self._connection.in_transaction:
                raise _BatchLost(error) from error
            self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN")
            return [_Outcome(task.future, None, error)]

    def _one(self, task: Task) -> _Outcome:
        run = self._connection.execute
        run("SAVEPOINT task")
        try:
            value = task.fn(self._connection)
        except Exception as error:
            if is_disk(error) or not self._connection.in_transaction:
                # The whole batch is lost: SQLite may have rolled it back by itself.
                raise _BatchLost(error) from error
            run("ROLLBACK TO task")
            run("RELEASE task")
            return _Outcome(task.future, None, error)
        run("RELEASE task")
        return _Outcome(task.future, value, None)

    def _apart(self, batch: list[Task]) -> list[_Outcome]:
        """Outcome of each task, run without a transaction around it."""
        outcomes = []
        for task in batch:
            try:
                outcomes.append(_Outcome(task.future, task.fn(self._connection), None))
            except Exception as error:  # noqa: BLE001 - whatever broke, the caller must hear of it
                outcomes += self._failed([task], error)
        return outcomes

    def _failed(self, batch: list[Task], error: Exception) -> list[_Outcome]:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self.failures += 1
        self.last_error = str(error)
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        remedy = "Free disk space." if full else "'neurobot doctor' looks closer."
        return [
            _Outcome(
                task.future,
                None,
                StorageUnavailable(f"Nothing was stored: {error}.", remedy=remedy),
            )
            for task in batch
        ]

    @staticmethod
    def _answer(batch: list[Task], outcomes: list[_Outcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
        for task, outcome in zip(batch, outcomes, strict=True):
            by_loop.setdefault(task.loop, []).append(outcome)
        for loop, mine in by_loop.items():
            # A loop that is gone has nobody left to tell; the rows are stored all the same.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, mine)

    def _dirty(self) -> bool:
        return self._connection.total_changes != self._changes_at_checkpoint

    def _wal_is_long(self) -> bool:
        if self._connection.total_changes - self._changes_at_checkpoint > _CHECKPOINT_CHANGES:
            return True
        return self._wal_bytes() - self._wal_at_checkpoint > _CHECKPOINT_BYTES

    def _wal_bytes(self) -> int:
        try:
            return self._wal.stat().st_size
        except OSError:
            return 0

    def _checkpoint(self, mode: str) -> None:
        # A failing checkpoint loses nothing: the WAL keeps the rows and the next one tries again.
        try:
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        except sqlite3.Error as error:
            self.last_error = str(error)
        else:
            self.last_checkpoint_at = time.time()
        self._changes_at_checkpoint = self._connection.total_changes
        self._wal_at_checkpoint = self._wal_bytes()


def is_disk(error: Exception) -> bool:
    """True when the file, not the statement, is at fault: full, failing, locked or damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code is not None and (code & 0xFF) in _DISK


def _resolve(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        if outcome.future.done():  # the caller was cancelled
            continue
        if outcome.error is None:
            outcome.future.set_result(outcome.value)
        else:
            outcome.future.set_exception(outcome.error)
