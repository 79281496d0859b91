"""Counts over time for the reports: messages, first replies, verdicts by rank."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bot.store.part import Part

DAY_S = 86_400.0
# A reply later than this belongs to another question.
_LONGEST_WAIT_S = 14 * DAY_S


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened since a moment.

    Attributes:
        customers: customer messages of each day, oldest first.
        replies: replies of people and the bot of each day.
        ranks: number of each verdict by the suggestion's rank, 1 is the first.
        first_reply_s: seconds from the first message of a conversation to its first reply, median;
            None without replies.
        suggested: share 0..1 of people's replies that began as a suggestion; None without replies.
    """

    customers: Sequence[int]
    replies: Sequence[int]
    ranks: Mapping[int, Mapping[str, int]]
    first_reply_s: float | None
    suggested: float | None


class Reports(Part):
    """Reads only."""

    async def activity(self, days: int) -> Activity:
        """The last ``days`` times 24 hours."""
        now = self._clock()
        since = now - days * DAY_S

        def find(connection: sqlite3.Connection) -> Activity:
            return Activity(
                customers=_by_day(connection, "author = 'customer'", since, days),
                replies=_by_day(
                    connection, "author IN ('agent', 'bot') AND kind != 'note'", since, days
                ),
                ranks=_ranks(connection, since),
                first_reply_s=_first_reply_s(connection, since),
                suggested=_suggested(connection, since),
            )

        return await self._db.read(find)


def _by_day(connection: sqlite3.Connection, condition: str, since: float, days: int) -> list[int]:
    counts = [0] * days
    for day, number in connection.execute(
        f"""SELECT CAST((created_at - ?) / ? AS INTEGER) AS day, count(*) FROM messages
            WHERE created_at > ? AND {condition} GROUP BY day""",  # noqa: S608  the conditions are ours
        (since, DAY_S, since),
    ):
        if 0 <= day < days:
            counts[day] = number
    return counts


def _ranks(connection: sqlite3.Connection, since: float) -> dict[int, dict[str, int]]:
    ranks: dict[int, dict[str, int]] = {}
    for rank, verdict, number in connection.execute(
        "SELECT rank, verdict, count(*) FROM verdicts WHERE created_at > ? GROUP BY rank, verdict",
        (since,),
    ):
        ranks.setdefault(int(rank), {})[str(verdict)] = int(number)
    return ranks


def _first_reply_s(connection: sqlite3.Connection, since: float) -> float | None:
    waits = [
        row[0]
        for row in connection.execute(
            """SELECT min(r.created_at) - min(q.created_at) FROM conversations c
               JOIN messages q ON q.conversation_id = c.id AND q.author = 'customer'
               JOIN messages r ON r.conversation_id = c.id AND r.kind != 'note'
                   AND r.author IN ('agent', 'bot')
               WHERE c.created_at > ? GROUP BY c.id""",
            (since,),
        )
        if row[0] is not None and 0 <= row[0] <= _LONGEST_WAIT_S
    ]
    return median(waits) if waits else None


def _suggested(connection: sqlite3.Connection, since: float) -> float | None:
    total, suggested = connection.execute(
        """SELECT count(*), count(answer_id) FROM messages
           WHERE author = 'agent' AND kind != 'note' AND created_at > ?""",
        (since,),
    ).fetchone()
    return suggested / total if total else None
