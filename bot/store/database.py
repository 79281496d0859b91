"""SQLite behind one writer thread with group commit, and a pool of readers.

All writes and all checkpoints happen on one connection in one thread: SQLite before 3.51.3 can
corrupt a WAL that two connections checkpoint at once. A write's future resolves after its COMMIT,
never before. No table is known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from bot.errors import BadRequest, Overloaded, StorageUnavailable, TooLarge
from bot.store.lock import DatabaseLock
from bot.store.writer import MAX_WAITING, Stop, Task, Writer, is_disk

T = TypeVar("T")

# The first release without the WAL-reset bug; older ones are safe here because one thread writes.
SAFE_SQLITE = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """Figures of the file and its writer."""

    path: str
    size_bytes: int
    wal_bytes: int
    queued: int
    commits: int
    writes: int
    failures: int
    last_error: str
    last_checkpoint_at: float | None
    sqlite_version: str
    sqlite_old: bool


def connect(
    path: Path, *, synchronous: str = "FULL", read_only: bool = False
) -> sqlite3.Connection:
    """A connection in WAL mode with the product's pragmas; statements commit by themselves.

    Raises:
        StorageUnavailable: the file cannot be opened or is no database.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=10.0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        elif not os.access(path, os.W_OK):  # SQLite would tell with the first message
            raise sqlite3.OperationalError("it may only be read")
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"The database {path} cannot be opened: {error}.",
            remedy="Check disk and owner; 'neurobot restore' replaces a damaged file.",
        ) from error
    return connection


class Database:
    """One database file of this process.

    ``await write(fn)`` and ``await read(fn)`` run ``fn(connection)`` on the writer or on a reader.

    Raises:
        AlreadyRunning: another process has the database.
        StorageUnavailable: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        readers: int = 4,
        prepare: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = DatabaseLock(path)
            if not path.exists():  # for its owner alone, whoever may look into the folder
                path.touch(mode=0o600)
        except OSError as error:
            raise StorageUnavailable(
                f"The data folder {path.parent} cannot be used: {error}.",
                remedy="Set data_dir to a folder this user may write.",
            ) from error
        self._queue: queue.SimpleQueue[Task | Stop] = queue.SimpleQueue()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            connection = undo.enter_context(
                contextlib.closing(connect(path, synchronous=synchronous))
            )
            if prepare is not None:
                prepare(connection)
            for _ in range(readers):
                reader = connect(path, read_only=True)
                undo.callback(reader.close)
                self._readers.put(reader)
            undo.pop_all()
        self._writer = Writer(connection, path, self._queue)
        self._thread = threading.Thread(target=self._writer.run, name="store-writer", daemon=True)
        self._pool = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="store-reader")
        self._reader_count = readers
        self._closed = False
        self._thread.start()

    async def write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """What ``fn`` gives, after the commit that holds its work.

        ``fn`` runs in a savepoint: when it raises, its own work is undone and only this caller
        hears of it. It runs even if the caller is cancelled meanwhile.

        Raises:
            BadRequest: a value cannot be stored.
            Overloaded: ``MAX_WAITING`` writes wait already; ``fn`` will not run.
            StorageUnavailable: the disk is full or failing, or the store is closed; nothing was
                stored.
        """
        return await self._queued(fn, alone=False)

    async def compact(self) -> None:
        """Write the file anew and empty the WAL, so that nothing deleted is left in either.

        Writes wait meanwhile, as long as a copy of the file takes.

        Raises:
            StorageUnavailable: there is no room for a second copy of the file.
        """
        await self._queued(_compact, alone=True)

    async def empty_log(self) -> None:
        """Fold the WAL into the file and empty it, so that nothing deleted is left in it.

        Raises:
            StorageUnavailable: the file cannot be written.
        """
        await self._queued(_empty_log, alone=True)

    async def _queued(self, fn: Callable[[sqlite3.Connection], T], *, alone: bool) -> T:
        if self._closed:
            raise StorageUnavailable("The store is closed.")
        if self._queue.qsize() >= MAX_WAITING:
            raise Overloaded
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(Task(fn, future, loop, alone))
        with _refusing_unstorable():
            return await future

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """What ``fn`` gives, on one consistent snapshot of everything committed so far.

        Raises:
            StorageUnavailable: the file cannot be read, or the store is closed.
        """
        if self._closed:
            raise StorageUnavailable("The store is closed.")
        with _refusing_unstorable():
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, fn)

    def _read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._readers.get()
        try:
            connection.execute("BEGIN")
            try:
                return fn(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if not is_disk(error):
                raise
            raise StorageUnavailable(f"The database cannot be read: {error}.") from error
        finally:
            self._readers.put(connection)

    async def close(self) -> None:
        """Finish what is queued, fold the WAL into the file and release the lock."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._close)

    def _close(self) -> None:
        self._pool.shutdown(wait=True)
        for _ in range(self._reader_count):
            self._readers.get().close()
        # Readers first: the last checkpoint can then empty the WAL.
        self._queue.put(Stop())
        self._thread.join()
        self._lock.release()

    def health(self) -> DatabaseHealth:
        """Figures of the moment; touches the file system, not the database."""
        writer = self._writer
        return DatabaseHealth(
            path=str(self.path),
            size_bytes=_size(self.path),
            wal_bytes=_size(self.path.with_name(self.path.name + "-wal")),
            queued=self._queue.qsize(),
            commits=writer.commits,
            writes=writer.writes,
            failures=writer.failures,
            last_error=writer.last_error,
            last_checkpoint_at=writer.last_checkpoint_at,
            sqlite_version=sqlite3.sqlite_version,
            sqlite_old=sqlite3.sqlite_version_info < SAFE_SQLITE,
        )


def _compact(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    _empty_log(connection)


def _empty_log(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def _refusing_unstorable() -> Iterator[None]:
    """Turn what SQLite cannot take as a value into the caller's mistake.

    Texts that people write are made safe where they come in; this is for ids, names and filters
    out of a request.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise BadRequest("A value holds characters that cannot be stored.") from error
    except OverflowError as error:
        raise BadRequest("A number is too large.") from error
    except sqlite3.DataError as error:
        raise TooLarge("A value is too large to be stored.") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
