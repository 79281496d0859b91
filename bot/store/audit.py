"""The audit log: who did what, each entry chained to the one before by hash."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bot.domain import Page
from bot.store.part import PER_PAGE, Part
from bot.store.records import AuditEntry
from bot.store.texts import clean, digest, dump


@dataclass(frozen=True, slots=True)
class AuditWish:
    """Which entries; what is empty lets all pass.

    Attributes:
        action: whole, or the beginning before its dot, e.g. ``webhook``.
        text: in subject or details, letter case ignored for ASCII.
        since, until: epoch seconds, ``until`` itself excluded.
    """

    actor: str = ""
    action: str = ""
    text: str = ""
    since: float | None = None
    until: float | None = None

    def condition(self) -> tuple[str, dict[str, Any]]:
        """An SQL condition with its parameters."""
        text = self.text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        parts = {
            "actor": (self.actor, "actor = :actor"),
            "action": (self.action, "(action = :action OR action LIKE :action || '.%')"),
            "text": (
                f"%{text}%" if text else "",
                r"(subject LIKE :text ESCAPE '\' OR detail LIKE :text ESCAPE '\')",
            ),
            "since": (self.since, "at >= :since"),
            "until": (self.until, "at < :until"),
        }
        asked = {name: part for name, part in parts.items() if part[0] not in {"", None}}
        where = " AND ".join(sql for _, sql in asked.values()) or "1"
        return where, {
            name: clean(v) if isinstance(v, str) else v for name, (v, _) in asked.items()
        }


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

    async def audit_log(
        self, page: int = 1, per_page: int = PER_PAGE, wish: AuditWish | None = None
    ) -> Page:
        """Entries that fit ``wish``, newest first."""
        where, params = (wish or AuditWish()).condition()

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM audit WHERE {where}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                f"""SELECT id, at, actor, action, subject, detail FROM audit WHERE {where}
                    ORDER BY id DESC LIMIT :limit OFFSET :first""",  # noqa: S608
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            items = [
                AuditEntry(**{**dict(row), "detail": msgspec.json.decode(row["detail"])})
                for row in found
            ]
            return Page(items, total, max(1, page), per_page)

        return await self._db.read(find)

    async def audit_words(self) -> tuple[list[str], list[str]]:
        """Every actor and every action that the log knows, sorted."""

        def find(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
            actors, actions = (
                [row[0] for row in connection.execute(sql)]
                for sql in (
                    "SELECT DISTINCT actor FROM audit ORDER BY actor",
                    "SELECT DISTINCT action FROM audit ORDER BY action",
                )
            )
            return actors, actions

        return await self._db.read(find)

    async def verify_audit(self) -> int | None:
        """Id of the first entry that does not follow from the one before; None when all do."""
        return await self._db.read(broken_entry)


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
