"""The events' own database: writing in batches, and who is who.

Commits survive a kill of the process; a power cut may take the last moments
(``synchronous=NORMAL``): events are many, and what they say is a sum.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple

from bot.event import Event
from bot.ports import Clock
from bot.settings import Settings
from bot.store import event_places, event_reading
from bot.store.backup import back_up_events
from bot.store.database import Database
from bot.store.event_reading import History, Names
from bot.store.migrations import migrate_events
from bot.store.records import BackupReport

_COLUMNS = "seq, id, at, name, visitor, customer, company, url, title, h1, item, counters"
# Of one statement: each step gives the interpreter away and waits to get it back.
_ROWS = 64
_NEWEST = (1 << 63) - 1
_MOST_AFTER = 200_000
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Tie:
    """What became known of a visitor. ``chat``: their name in the web chat."""

    visitor: str
    customer: str = ""
    company: str = ""
    chat: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of who is who, for memory: visitors and customers' companies."""

    visitors: Mapping[str, tuple[str, str]]
    companies: Mapping[str, str]


class Events:
    """Events and identities in a file beside the database."""

    def __init__(self, db: Database, clock: Clock, seq: int, placed: int) -> None:
        self.db = db
        self._clock = clock
        # both belong to the writer's thread
        self._seq = seq
        self._placed = placed

    @classmethod
    def open(cls, settings: Settings, clock: Clock) -> Events:
        """The file of ``settings``, made or brought up to date; not a coroutine.

        Raises:
            AlreadyRunning, StorageUnavailable: as ``Store.open``.
        """
        last: list[int] = []

        def prepare(connection: sqlite3.Connection) -> None:
            migrate_events(connection)
            # What retention and erasure take out is overwritten, without writing the file anew.
            connection.execute("PRAGMA secure_delete=ON").fetchall()
            placed = event_places.placed_seq(connection)
            newest = connection.execute("SELECT max(seq) FROM events").fetchone()[0]
            last.extend((max(newest or 0, placed), placed))

        db = Database(settings.events_path, "NORMAL", readers=2, prepare=prepare)
        return cls(db, clock, *last)

    async def close(self) -> None:
        """Finish what is queued and release the file."""
        await self.db.close()

    async def append(self, events: Sequence[Event], ties: Iterable[Tie] = ()) -> Sequence[Event]:
        """Store ``events`` and ``ties`` in one commit; gives those that were not there yet.

        Raises:
            Overloaded, StorageUnavailable: nothing was stored.
        """
        return await self.db.write(lambda connection: self._append(connection, events, ties))

    def _append(
        self, connection: sqlite3.Connection, events: Sequence[Event], ties: Iterable[Tie]
    ) -> Sequence[Event]:
        before = self._seq
        self._seq += len(events)
        stored = 0
        for first in range(0, len(events), _ROWS):
            part = events[first : first + _ROWS]
            values = _values(part, before + 1 + first)
            stored += connection.execute(_insert(len(part)), values).rowcount
        if ties:
            write_ties(connection, ties, self._clock())
        if self._seq - self._placed >= event_places.RUN:
            self._placed = event_places.place(connection, self._seq)
        if stored == len(events):
            return events
        kept = connection.execute("SELECT seq FROM events WHERE seq > ?", (before,))
        return [events[row[0] - before - 1] for row in kept]

    async def site_key(self) -> str:
        """The public key with which a site's pages may write events, and do nothing else."""
        return await self.db.read(
            lambda connection: str(
                connection.execute("SELECT value FROM facts WHERE name = 'site_key'").fetchone()[0]
            )
        )

    async def recent_ids(self, limit: int) -> list[str]:
        """Ids of the newest events, newest first."""
        return await self.db.read(
            lambda connection: [
                row[0]
                for row in connection.execute(
                    "SELECT id FROM events ORDER BY seq DESC LIMIT ?", (limit,)
                )
            ]
        )

    async def known(self) -> Known:
        """Everybody whose name is known."""

        def find(connection: sqlite3.Connection) -> Known:
            visitors = connection.execute(
                "SELECT visitor, customer, company FROM identities"
            ).fetchall()
            companies = connection.execute("SELECT customer, company FROM companies").fetchall()
            return Known(
                {row[0]: (row[1], row[2]) for row in visitors},
                {row[0]: row[1] for row in companies},
            )

        return await self.db.read(find)

    async def names(self, customer: str) -> Names:
        """Under which names a customer of the desk, or of the site, wrote events."""
        return await self.db.read(lambda connection: event_reading.names(connection, customer))

    async def history(self, customer: str, limit: int = 20) -> History:
        """The newest events of a customer, and how many of each name; see ``History``."""
        return await self.db.read(
            lambda connection: event_reading.history(connection, customer, limit)
        )

    async def after(self, event: tuple[float, str] | None, limit: int) -> list[Event]:
        """Events that were stored after the one of this time and id, in that order.

        None where it is not there; the newest 200,000 are gone through where it is None.
        """
        at, event_id = event or (0.0, "")

        def find(connection: sqlite3.Connection) -> list[Event]:
            start = "SELECT seq FROM events WHERE at = :at AND id = :id"
            if event is None:
                start = "SELECT coalesce(max(seq), 0) - :most FROM events"
            found = connection.execute(
                f"SELECT * FROM events WHERE seq > ({start}) ORDER BY seq LIMIT :limit",  # noqa: S608
                {"at": at, "id": event_id, "limit": limit, "most": _MOST_AFTER},
            )
            return [event_reading.as_event(row) for row in found]

        return await self.db.read(find)

    async def count(self, customer: str) -> dict[str, int]:
        """Rows that ``erase`` would take out, by table."""
        return await self.db.read(lambda connection: event_reading.count(connection, customer))

    async def erase(self, customer: str) -> dict[str, int]:
        """Rows of the customer that were taken out, by table."""

        def take_out(connection: sqlite3.Connection) -> dict[str, int]:
            return event_reading.erase(connection, customer)

        counts = await self.db.write(take_out)
        await self.db.empty_log()
        return counts

    async def sweep(self, before: float, limit: int, *, up_to: int = _NEWEST) -> int:
        """Remove at most ``limit`` events older than ``before``; gives how many.

        ``up_to``: only those whose number is at most this.
        """

        def remove(connection: sqlite3.Connection) -> int:
            done = connection.execute(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events"
                " WHERE at < ? AND seq <= ? LIMIT ?)",
                (before, up_to, limit),
            ).rowcount
            if done:
                connection.execute(
                    "UPDATE facts SET value = max(CAST(value AS REAL), ?)"
                    " WHERE name = 'swept_before'",
                    (before,),
                )
                first = connection.execute("SELECT min(seq) FROM events").fetchone()[0]
                event_places.forget(connection, self._placed + 1 if first is None else first)
            return done

        return await self.db.write(remove)

    def health(self) -> Mapping[str, Any]:
        """Sizes, queue and commits of the file; not a coroutine."""
        found = self.db.health()
        return {
            "size_bytes": found.size_bytes,
            "wal_bytes": found.wal_bytes,
            "commits": found.commits,
            "failures": found.failures,
            "last_error": found.last_error,
        }

    async def backup(self, target: Path) -> BackupReport:
        """A checked copy of everything committed, at ``target``."""
        return await self.db.read(
            lambda connection: back_up_events(connection, target, self._clock())
        )


@lru_cache(maxsize=_ROWS)
def _insert(rows: int) -> str:
    places = ",".join(["(?,?,?,?,?,?,?,?,?,?,?,?)"] * rows)
    return f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES {places}"  # noqa: S608


def _values(events: Sequence[Event], first: int) -> list[object]:
    found: list[object] = []
    for seq, event in enumerate(events, first):
        found.append(seq)
        found += astuple(event)
        found[-1] = _encode(event.counters).decode() if event.counters else ""
    return found


def write_ties(connection: sqlite3.Connection, ties: Iterable[Tie], now: float) -> None:
    """Keep what became known; what a tie leaves open stays, unless the customer is another one."""
    for tie in ties:
        if tie.visitor:
            connection.execute(
                """INSERT INTO identities (visitor, customer, company, chat, changed_at)
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (visitor) DO UPDATE SET
                     company = CASE WHEN ?3 != '' THEN ?3
                       WHEN ?2 NOT IN ('', customer) THEN '' ELSE company END,
                     customer = CASE WHEN ?2 != '' THEN ?2 ELSE customer END,
                     chat = CASE WHEN ?4 != '' THEN ?4 ELSE chat END,
                     changed_at = ?5""",
                (tie.visitor, tie.customer, tie.company, tie.chat, now),
            )
        if tie.customer and tie.company:
            connection.execute(
                """INSERT INTO companies VALUES (?1, ?2, ?3) ON CONFLICT (customer)
                   DO UPDATE SET company = ?2, changed_at = ?3 WHERE company != ?2""",
                (tie.customer, tie.company, now),
            )
