"""Verified copies, and looking for damage: SQLite's own check plus a digest of every row.

A flipped bit passes ``integrity_check`` two times in three; with the digests nearly none does.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.errors import BadData, StorageUnavailable
from bot.settings import Settings
from bot.store import search_index
from bot.store.audit import broken_entry
from bot.store.database import connect
from bot.store.lock import DatabaseLock
from bot.store.migrations import migrate, migrate_events
from bot.store.records import BackupReport, CheckReport
from bot.store.texts import article_digest, message_digest

# Our own name of a copy that is being written, and of the journal beside it.
_UNFINISHED = re.compile(r"\..+\.(\d+)\.part(?:-\w+)?")

_EVENT_TABLES = ("events", "identities", "companies", "postings")
_COUNTED = (
    "customers",
    "conversations",
    "messages",
    "suggestions",
    "outbox",
    "articles",
    "questions",
    "tickets",
    "verdicts",
    "agents",
    "audit",
    "bundles",
)


def check(connection: sqlite3.Connection) -> CheckReport:
    """Everything wrong with the database behind ``connection``; reads every row."""
    # Damaged text may be no UTF-8 any more; it shall fail its digest, not the reading.
    connection.text_factory = _lenient
    try:
        return _check(connection)
    finally:
        connection.text_factory = str


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _check(connection: sqlite3.Connection) -> CheckReport:
    found = connection.execute("PRAGMA integrity_check(20)").fetchall()
    lines = tuple(str(row[0]) for row in found if row[0] != "ok")
    return CheckReport(
        integrity=lines,
        messages=_damaged_messages(connection),
        articles=_damaged_articles(connection),
        audit=broken_entry(connection),
        counts=_counts(connection),
    )


def back_up(connection: sqlite3.Connection, target: Path, now: float) -> BackupReport:
    """A copy of the snapshot that ``connection`` reads, checked before it gets its name.

    Raises:
        StorageUnavailable: it could not be written or is not sound; ``target`` is untouched.
    """
    return _back_up(connection, target, now, check, _COUNTED)


def back_up_events(connection: sqlite3.Connection, target: Path, now: float) -> BackupReport:
    """The same for the events' own file.

    Raises:
        StorageUnavailable: as ``back_up``.
    """
    return _back_up(connection, target, now, check_events, _EVENT_TABLES)


def events_beside(backup: Path) -> Path:
    """Where a backup keeps the events: ``monday.events.db`` beside ``monday.db``."""
    return backup.with_name(f"{backup.stem}.events{backup.suffix or '.db'}")


def check_events(connection: sqlite3.Connection) -> CheckReport:
    """Whether the events' file is sound; reads every page."""
    found = connection.execute("PRAGMA integrity_check(20)").fetchall()
    lines = tuple(str(row[0]) for row in found if row[0] != "ok")
    return CheckReport(
        integrity=lines,
        messages=(),
        articles=(),
        audit=None,
        counts=_counts(connection, _EVENT_TABLES),
    )


def _back_up(
    connection: sqlite3.Connection,
    target: Path,
    now: float,
    examine: Callable[[sqlite3.Connection], CheckReport],
    tables: Sequence[str],
) -> BackupReport:
    started = time.monotonic()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        expected = _counts(connection, tables)
        _copy(connection, temporary)
        with contextlib.closing(_read_only(temporary)) as copy:
            report = examine(copy)
        if not report.sound or report.counts != expected:
            raise StorageUnavailable(
                f"The backup is not sound ({_describe(report)}) and was thrown away.",
                remedy="Run 'neurobot doctor': the database itself may be damaged.",
            )
        search = _with_sound_search(temporary) if tables is _COUNTED else ()
        _publish(temporary, target)
    except (OSError, sqlite3.Error) as error:
        raise StorageUnavailable(f"The backup could not be written: {error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return BackupReport(
        path=str(target),
        size_bytes=target.stat().st_size,
        counts=expected,
        created_at=now,
        elapsed_s=time.monotonic() - started,
        search=search,
    )


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed left half written; others may be at work beside us."""
    for left in folder.glob(".*.part*"):
        named = _UNFINISHED.fullmatch(left.name)
        if named and not _lives(int(named[1])):
            left.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if os.name != "posix":
        return True  # where a look at a process may end it
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _with_sound_search(copy: Path) -> tuple[str, ...]:
    """Search tables of the copy that were damaged; all are made anew then."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        damaged = search_index.unsound(connection)
        if damaged:
            search_index.renew(connection)
        connection.commit()
    return damaged


def restore(source: Path, settings: Settings) -> Path | None:
    """Put the backup ``source`` in place of the database; gives where the old file is kept, if any.

    For a stopped server. The source is checked first and brought up to today's tables on a copy.

    Raises:
        AlreadyRunning: a server has the database.
        BadData: the source is missing, damaged, or no database of this product.
        StorageUnavailable: the folder cannot be written.
    """
    kept = _restore(source, settings.database_path, check, migrate)
    events = events_beside(source)
    if events.is_file():
        _restore(events, settings.events_path, check_events, migrate_events)
    return kept


def _restore(
    source: Path,
    database: Path,
    examine: Callable[[sqlite3.Connection], CheckReport],
    prepare: Callable[[sqlite3.Connection], None],
) -> Path | None:
    if not source.is_file():
        raise BadData(f"There is no file {source}.")
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = DatabaseLock(database)
    except OSError as error:
        raise StorageUnavailable(
            f"The data folder {database.parent} cannot be used: {error}."
        ) from error
    temporary = database.with_name(f".{database.name}.restore")
    try:
        _load(source, temporary, examine, prepare)
        kept = _set_aside(database)
        _publish(temporary, database)
    except OSError as error:
        raise StorageUnavailable(f"The backup could not be restored: {error}.") from error
    finally:
        for leftover in _family(temporary):
            leftover.unlink(missing_ok=True)
        lock.release()
    return kept


def _load(
    source: Path,
    temporary: Path,
    examine: Callable[[sqlite3.Connection], CheckReport],
    prepare: Callable[[sqlite3.Connection], None],
) -> None:
    """A sound, up-to-date copy of ``source`` at ``temporary``."""
    temporary.unlink(missing_ok=True)
    try:
        with contextlib.closing(_read_only(source)) as connection:
            report = examine(connection)
            if not report.sound:
                raise BadData(f"The backup {source} is damaged ({_describe(report)}).")
            _copy(connection, temporary)
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            prepare(connection)
    except sqlite3.Error as error:
        raise BadData(f"{source} is not a sound backup: {error}.") from error


def _set_aside(database: Path) -> Path | None:
    """Give the old database a second name; a WAL that cannot be folded in moves away with it.

    With a link there is no moment without a database. A WAL must not stay: SQLite would apply it to
    the new file.
    """
    if not database.exists():
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    kept = database.with_name(f"{database.name}.before-{stamp}-{os.getpid()}")
    with contextlib.suppress(StorageUnavailable, sqlite3.Error, OSError):
        with contextlib.closing(connect(database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if not any(path.exists() for path in _family(database)[1:]):
            kept.hardlink_to(database)
            return kept
    for old, new in zip(_family(database), _family(kept), strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    return kept


def _family(database: Path) -> list[Path]:
    return [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    target.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
        # A copy of a WAL database says so in its header; one file alone must be enough.
        copy.execute("PRAGMA journal_mode=DELETE")
    target.chmod(0o600)


def _read_only(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
    )
    connection.row_factory = sqlite3.Row
    return connection


def _publish(temporary: Path, target: Path) -> None:
    _sync(temporary)
    temporary.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _counts(connection: sqlite3.Connection, tables: Sequence[str] = _COUNTED) -> dict[str, int]:
    return {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in tables
    }


def _damaged_messages(connection: sqlite3.Connection) -> tuple[int, ...]:
    found = connection.execute(
        """SELECT id, digest, public_id, conversation_id, author, kind, text, created_at, attachment
           FROM messages ORDER BY id"""
    )
    return tuple(row[0] for row in found if message_digest(*row[2:]) != row[1])


def _damaged_articles(connection: sqlite3.Connection) -> tuple[int, ...]:
    questions: dict[int, list[str]] = {}
    for article_id, text in connection.execute("SELECT article_id, text FROM questions"):
        questions.setdefault(article_id, []).append(text)
    found = connection.execute(
        "SELECT id, digest, title, text, category, language FROM articles ORDER BY id"
    )
    return tuple(
        row[0]
        for row in found
        if article_digest(row[2], row[3], row[4], row[5], questions.get(row[0], [])) != row[1]
    )


def _describe(report: CheckReport) -> str:
    parts = list(report.integrity[:1])
    if report.messages:
        parts.append(f"{len(report.messages)} messages differ from their digest")
    if report.articles:
        parts.append(f"{len(report.articles)} articles differ from their digest")
    if report.audit is not None:
        parts.append(f"the audit log breaks at entry {report.audit}")
    return "; ".join(parts) or "row counts differ"
