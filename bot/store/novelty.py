"""What has been learned from people since a moment: whether a training would know more."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from bot.store.part import Part


@dataclass(frozen=True, slots=True)
class News:
    """Verdicts given, tickets imported and articles changed since then."""

    verdicts: int
    tickets: int
    articles: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.verdicts + self.tickets + self.articles


class Novelty(Part):
    """Counts of what is new."""

    async def since(self, at: float) -> News:
        """News after ``at`` (0: everything there is)."""

        def count(connection: sqlite3.Connection) -> News:
            row = connection.execute(
                """SELECT (SELECT count(*) FROM verdicts WHERE created_at > ?1
                             AND verdict IN ('accepted', 'edited', 'rejected')),
                   (SELECT count(*) FROM tickets WHERE created_at > ?1),
                   (SELECT count(*) FROM articles WHERE updated_at > ?1 AND removed_at IS NULL)""",
                (at,),
            ).fetchone()
            return News(*row)

        return await self._db.read(count)
