"""Counts of the last days for the overview; the reports have ``desk_activity``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.store.part import Part

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened since a moment.

    Attributes:
        customers: customer messages of each day, oldest first.
        suggested: share 0..1 of people's replies that began as a suggestion; None without replies.
    """

    customers: Sequence[int]
    suggested: float | None


class Reports(Part):
    """Reads only."""

    async def activity(self, days: int) -> Activity:
        """The last ``days`` times 24 hours."""
        now = self._clock()
        since = now - days * DAY_S

        def find(connection: sqlite3.Connection) -> Activity:
            return Activity(_by_day(connection, since, days), _suggested(connection, since))

        return await self._db.read(find)


def _by_day(connection: sqlite3.Connection, since: float, days: int) -> list[int]:
    counts = [0] * days
    for day, number in connection.execute(
        """SELECT CAST((created_at - ?) / ? AS INTEGER) AS day, count(*) FROM messages
           WHERE created_at > ? AND author = 'customer' GROUP BY day""",
        (since, DAY_S, since),
    ):
        if 0 <= day < days:
            counts[day] = number
    return counts


def _suggested(connection: sqlite3.Connection, since: float) -> float | None:
    total, suggested = connection.execute(
        """SELECT count(*), count(answer_id) FROM messages
           WHERE author = 'agent' AND kind != 'note' AND created_at > ?""",
        (since,),
    ).fetchone()
    return suggested / total if total else None
