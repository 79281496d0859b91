"""Profiles of interests, and what was recommended to whom and clicked."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from bot.store.part import Part
from bot.store.texts import dump

_TABLES = ("profiles", "offers")
_ATTRIBUTED_S = 7 * 86_400.0  # a click counts for what was shown within so long before
_OFFERS_KEPT_S = 90 * 86_400.0
_VISITORS_KEPT_S = 180 * 86_400.0
_PRUNED = 2_000  # at a time


class StoredTag(NamedTuple):
    """A tag of a profile by kind and key, which mean the same in every process."""

    kind: int
    key: str
    weight: float
    last_at: float
    source: int
    given: float


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """What somebody is interested in as of ``at``.

    Attributes:
        subject: ``c:`` and the name of a customer, or ``v:`` and a visitor.
        seen: when items were seen, by key; ``bought`` likewise.
    """

    subject: str
    at: float
    tags: Sequence[StoredTag]
    seen: Mapping[int, float]
    bought: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class ClickThrough:
    """Recommendations of one place: how many were shown, and how many of them clicked."""

    place: str
    shown: int
    clicked: int


class Profiles(Part):
    """Interests by subject, offers by subject and item."""

    async def load(self, limit: int) -> list[StoredProfile]:
        """The profiles seen last, oldest first."""

        def find(connection: sqlite3.Connection) -> list[StoredProfile]:
            found = connection.execute("SELECT * FROM profiles ORDER BY at DESC LIMIT ?", (limit,))
            return [_profile(row) for row in reversed(found.fetchall())]

        return await self._db.read(find)

    async def save(
        self, profiles: Sequence[StoredProfile], learnt: tuple[float, str] | None = None
    ) -> None:
        """Store profiles, each in place of the one of its subject.

        ``learnt``: time and id of the last event that they know; kept in the same commit.
        """

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?)",
                [(one.subject, one.at, dump(one.tags), _dump_seen(one)) for one in profiles],
            )
            if learnt is not None:
                connection.execute("INSERT OR REPLACE INTO learnt VALUES (1, ?, ?)", learnt)

        await self._db.write(write)

    async def erase_profiles(self, subjects: Collection[str]) -> None:
        """Take out profiles alone: who gave way to others, or goes by another name."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "DELETE FROM profiles WHERE subject = ?", [(subject,) for subject in subjects]
            )

        await self._db.write(write)

    async def any(self) -> bool:
        """True where something is known that no article says: an item, a profile, a view."""

        def find(connection: sqlite3.Connection) -> bool:
            [known] = connection.execute(
                """SELECT EXISTS (SELECT 1 FROM profiles) OR EXISTS (SELECT 1 FROM items)
                   OR EXISTS (SELECT 1 FROM item_heat) OR EXISTS (SELECT 1 FROM offers)"""
            ).fetchone()
            return bool(known)

        return await self._db.read(find)

    async def learnt(self) -> tuple[float, str] | None:
        """Time and id of the last event that the profiles have learnt from."""

        def find(connection: sqlite3.Connection) -> tuple[float, str] | None:
            row = connection.execute("SELECT at, id FROM learnt").fetchone()
            return None if row is None else (row[0], row[1])

        return await self._db.read(find)

    async def count(self, subjects: Collection[str]) -> dict[str, int]:
        """Rows of these subjects by table, of those that have any."""

        def find(connection: sqlite3.Connection) -> dict[str, int]:
            found = {
                table: sum(
                    connection.execute(
                        f"SELECT count(*) FROM {table} WHERE subject = ?",  # noqa: S608
                        (subject,),
                    ).fetchone()[0]
                    for subject in subjects
                )
                for table in _TABLES
            }
            return {table: number for table, number in found.items() if number}

        return await self._db.read(find)

    async def erase(self, subjects: Collection[str]) -> None:
        """Take profiles and offers of these subjects out."""

        def take_out(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA secure_delete=ON").fetchall()
            for table in _TABLES:
                connection.executemany(
                    f"DELETE FROM {table} WHERE subject = ?",  # noqa: S608
                    [(subject,) for subject in subjects],
                )

        await self._db.write(take_out)

    async def shown(
        self, subject: str, keys: Sequence[int], place: str, message_id: int | None = None
    ) -> None:
        """Somebody was shown these items at ``place``; what they have not clicked yet is renewed.

        ``message_id``: the message that held them; one that is taken back was not shown.
        """
        now = self._clock()

        def write(connection: sqlite3.Connection) -> None:
            for key in keys:
                renewed = connection.execute(
                    """UPDATE offers SET shown_at = ?, message_id = ? WHERE subject = ?
                       AND item_key = ? AND place = ? AND clicked_at IS NULL""",
                    (now, message_id, subject, key, place),
                ).rowcount
                if not renewed:
                    connection.execute(
                        """INSERT INTO offers (subject, item_key, place, shown_at, message_id)
                           VALUES (?, ?, ?, ?, ?)""",
                        (subject, key, place, now, message_id),
                    )

        await self._db.write(write)

    async def clicked(self, clicks: Sequence[tuple[str, int, float]]) -> int:
        """Somebody (subject) opened an item (key) at a time; gives how many offers that closed.

        One that was told before closes none.
        """

        def write(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    """UPDATE offers SET clicked_at = ?3 WHERE id = (
                         SELECT id FROM offers WHERE subject = ?1 AND item_key = ?2
                         AND clicked_at IS NULL AND shown_at BETWEEN ?3 - ?4 AND ?3
                         AND NOT EXISTS (SELECT 1 FROM offers WHERE subject = ?1
                           AND item_key = ?2 AND clicked_at = ?3)
                         ORDER BY shown_at DESC LIMIT 1)""",
                    (subject, key, at, _ATTRIBUTED_S),
                ).rowcount
                for subject, key, at in clicks
            )

        return await self._db.write(write)

    async def click_through(self, since: float) -> list[ClickThrough]:
        """What was shown since then, by place."""
        return await self._db.read(
            lambda connection: [
                ClickThrough(*row)
                for row in connection.execute(
                    """SELECT place, count(*), count(clicked_at) FROM offers o WHERE shown_at >= ?
                       AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.message_id = o.message_id
                         AND b.state = 'cancelled') GROUP BY place ORDER BY place""",
                    (since,),
                )
            ]
        )

    async def offered(self, since: float) -> int:
        """Number of different items that were shown since then."""
        return await self._db.read(
            lambda connection: int(
                connection.execute(
                    "SELECT count(DISTINCT item_key) FROM offers WHERE shown_at >= ?", (since,)
                ).fetchone()[0]
            )
        )

    async def prune(self) -> None:
        """Forget some of the offers and of the visitors' profiles that are too old to matter."""
        now = self._clock()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                """DELETE FROM offers WHERE id IN
                   (SELECT id FROM offers WHERE shown_at < ? ORDER BY shown_at LIMIT ?)""",
                (now - _OFFERS_KEPT_S, _PRUNED),
            )
            connection.execute(
                """DELETE FROM profiles WHERE subject IN (SELECT subject FROM profiles
                   WHERE at < ? AND subject >= 'v:' AND subject < 'v;' LIMIT ?)""",
                (now - _VISITORS_KEPT_S, _PRUNED),
            )

        await self._db.write(write)

    async def waiting(self) -> list[tuple[str, int]]:
        """Subject and key of what was shown lately and is not clicked yet."""
        since = self._clock() - _ATTRIBUTED_S
        return await self._db.read(
            lambda connection: [
                (row[0], row[1])
                for row in connection.execute(
                    """SELECT subject, item_key FROM offers
                       WHERE clicked_at IS NULL AND shown_at >= ?""",
                    (since,),
                )
            ]
        )


def _dump_seen(profile: StoredProfile) -> str:
    return dump([list(profile.seen.items()), list(profile.bought.items())])


def _profile(row: sqlite3.Row) -> StoredProfile:
    seen, bought = msgspec.json.decode(row["seen"])
    tags = [StoredTag(*one) for one in msgspec.json.decode(row["tags"])]
    return StoredProfile(row["subject"], row["at"], tags, dict(seen), dict(bought))
