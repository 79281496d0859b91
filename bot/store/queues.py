"""How much waits where, for the page that shows the system."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from bot.store.part import Part


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue. ``stuck`` needs a person."""

    name: str
    waiting: int
    stuck: int


_QUEUES = (
    (
        "suggestions",
        """SELECT count(*), 0 FROM messages
           WHERE processed_at IS NULL AND author = 'customer'""",
    ),
    (
        "delivery",
        """SELECT (SELECT count(*) FROM outbox WHERE state IN ('held', 'queued', 'sending')),
           (SELECT count(*) FROM outbox WHERE state IN ('uncertain', 'failed'))""",
    ),
    (
        "webhooks",
        """SELECT count(*) FILTER (WHERE state IN ('waiting', 'sending')),
           count(*) FILTER (WHERE state = 'dead') FROM webhook_deliveries""",
    ),
    ("jobs", "SELECT count(*), 0 FROM jobs WHERE finished_at IS NULL"),
)


class Queues(Part):
    """Reads only."""

    async def lengths(self) -> list[Queue]:
        """Every stored queue."""

        def find(connection: sqlite3.Connection) -> list[Queue]:
            return [Queue(name, *connection.execute(sql).fetchone()) for name, sql in _QUEUES]

        return await self._db.read(find)
