"""The audit log: who did what, each entry chained to the one before by hash."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.domain import Page
from bot.store.part import PER_PAGE, Part
from bot.store.records import AuditEntry
from bot.store.texts import clean, digest, dump


class Audit(Part):
    """An append-only log."""

    async def audit(
        self, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note that ``actor`` did ``action`` to ``subject``."""
        now = self._clock()
        columns = (clean(actor), clean(action), clean(subject), clean(dump(dict(detail or {}))))

        def add(connection: sqlite3.Connection) -> None:
            last = connection.execute("SELECT chain FROM audit ORDER BY id DESC LIMIT 1").fetchone()
            connection.execute(
                """INSERT INTO audit (at, actor, action, subject, detail, chain) VALUES (?, ?, ?,
                    ?, ?, ?)""",
                (now, *columns, _chain(b"" if last is None else last[0], now, *columns)),
            )

        await self._db.write(add)

    async def audit_log(self, page: int = 1, per_page: int = PER_PAGE) -> Page:
        """Entries, newest first."""

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute("SELECT count(*) FROM audit").fetchone()[0]
            found = connection.execute(
                """SELECT id, at, actor, action, subject, detail FROM audit
                   ORDER BY id DESC LIMIT ? OFFSET ?""",
                (per_page, (max(1, page) - 1) * per_page),
            )
            items = [
                AuditEntry(**{**dict(row), "detail": msgspec.json.decode(row["detail"])})
                for row in found
            ]
            return Page(items, total, max(1, page), per_page)

        return await self._db.read(find)


def broken_entry(connection: sqlite3.Connection) -> int | None:
    """Id of the first entry that does not follow from the one before; None when all do."""
    last = b""
    for row in connection.execute(
        "SELECT id, at, actor, action, subject, detail, chain FROM audit ORDER BY id"
    ):
        if _chain(last, *row[1:6]) != row["chain"]:
            return int(row["id"])
        last = row["chain"]
    return None


def _chain(last: bytes, at: float, *columns: str) -> bytes:
    return digest(last.hex(), float(at), *columns)
