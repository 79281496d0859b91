"""Where the fast preset keeps messages: acknowledged after the commit that holds them, not before.

A commit that syncs (FULL) is left to the product's writer thread. One that does not (NORMAL) takes
less time than two threads need to hand it to each other: it is done where the messages are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Protocol

from bot.store.database import Database, connect
from bot.store.lock import DatabaseLock

Row = tuple[str, bytes]
"""A message and its suggestions, encoded."""

_CHECKPOINT_S: Final = 0.5  # between two, while messages come
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS suggestions (message_id INTEGER PRIMARY KEY, payload BLOB NOT NULL);
"""


class MessageStore(Protocol):
    """Stores messages, many in one commit."""

    def store_now(self, rows: Sequence[Row]) -> Sequence[int] | None:
        """Ids of the messages, which are committed; None: not in this moment, use ``store``."""

    async def store(self, rows: Sequence[Row]) -> Sequence[int]:
        """Ids of the messages, after their commit."""

    async def close(self) -> None:
        """Fold the WAL into the file and end."""


class SyncedStore:
    """Commits of the product's writer thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def store_now(self, rows: Sequence[Row]) -> None:
        """Never: it would hold up the loop."""
        del rows

    async def store(self, rows: Sequence[Row]) -> Sequence[int]:
        """Ids of the messages, after their commit."""
        return await self._database.write(lambda connection: _insert(connection, rows))

    async def close(self) -> None:
        """Fold the WAL into the file and end."""
        await self._database.close()


class LoopStore:
    """Commits on the thread of the loop; checkpoints, which sync, on a thread of their own.

    Both use one connection, as SQLite before 3.51.3 may damage a WAL that two connections
    checkpoint. While the thread has it, commits wait for their turn there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = DatabaseLock(path)
        self._connection = connect(path, synchronous="NORMAL")
        prepare_tables(self._connection)
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._away = 0  # jobs of the thread
        self._due: asyncio.TimerHandle | None = None
        self._checkpointing: asyncio.Future[Any] | None = None

    def store_now(self, rows: Sequence[Row]) -> Sequence[int] | None:
        """Ids of the messages, which are committed; None while the thread has the connection."""
        if self._away:
            return None
        ids = self._commit(rows)
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(_CHECKPOINT_S, self.begin_checkpoint)
        return ids

    async def store(self, rows: Sequence[Row]) -> Sequence[int]:
        """Ids of the messages, after their commit."""
        ids = self.store_now(rows)
        return await self._on_thread(lambda: self._commit(rows)) if ids is None else ids

    async def close(self) -> None:
        """Fold the WAL into the file and end."""
        if self._due is not None:
            self._due.cancel()
        await self._on_thread(self._checkpoint)
        self._thread.shutdown()
        self._connection.close()
        self._lock.release()

    def _commit(self, rows: Sequence[Row]) -> Sequence[int]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            ids = _insert(self._connection, rows)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return ids

    def begin_checkpoint(self) -> None:
        """Fold what is committed into the file, on the thread."""
        self._due = None
        self._checkpointing = self._on_thread(self._checkpoint)

    def _on_thread(self, job: Callable[[], Any]) -> asyncio.Future[Any]:
        self._away += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, job)
        done.add_done_callback(self._came_back)
        return done

    def _came_back(self, done: asyncio.Future[Any]) -> None:
        del done
        self._away -= 1

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def open_store(path: Path, *, synced: bool) -> MessageStore:
    """The store of a file, with every commit synced or none."""
    return SyncedStore(Database(path, "FULL", 1, prepare_tables)) if synced else LoopStore(path)


def prepare_tables(connection: Any) -> None:
    """Make the two tables where they are not there."""
    connection.executescript(_SCHEMA)


def _insert(connection: Any, rows: Sequence[Row]) -> range:
    """Inside of a transaction; nobody else writes."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
    ids, now = range(last + 1, last + 1 + len(rows)), time.time()
    connection.executemany(
        "INSERT INTO messages (id, text, at) VALUES (?, ?, ?)",
        [(key, text, now) for key, (text, _) in zip(ids, rows, strict=True)],
    )
    connection.executemany(
        "INSERT INTO suggestions (message_id, payload) VALUES (?, ?)",
        [(key, payload) for key, (_, payload) in zip(ids, rows, strict=True)],
    )
    return ids
