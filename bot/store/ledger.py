"""The ledger: one record of every suggestion that was shown, with what became of it.

Records are written by triggers, see ``bot.store.training_schema``; here they are read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator

from bot.store.part import Part
from bot.store.records import LedgerRow

_PAGE = 1_000
_ROWS = """SELECT l.id, l.shown_at, m.public_id, l.answer_id, l.rank, l.confidence,
    l.model_version, l.latency_ms, l.verdict, l.edit_distance, a.login, l.reason, l.judged_at
    FROM ledger l LEFT JOIN messages m ON m.id = l.message_id
    LEFT JOIN agents a ON a.id = l.agent_id WHERE l.id > ? ORDER BY l.id LIMIT ?"""


class Ledger(Part):
    """Reads only."""

    async def page(self, after: int = 0, limit: int = _PAGE) -> list[LedgerRow]:
        """The first ``limit`` records after that id, oldest first."""

        def find(connection: sqlite3.Connection) -> list[LedgerRow]:
            return [LedgerRow(*row) for row in connection.execute(_ROWS, (after, limit))]

        return await self._db.read(find)

    async def rows(self, after: int = 0) -> AsyncIterator[list[LedgerRow]]:
        """Every record after that id, a page at a time, so that a long ledger needs no memory."""
        while page := await self.page(after):
            yield page
            after = page[-1].id

    async def count(self) -> int:
        """Number of records."""
        return await self._db.read(
            lambda connection: int(connection.execute("SELECT count(*) FROM ledger").fetchone()[0])
        )
