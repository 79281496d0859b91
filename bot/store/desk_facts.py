"""What customers did at the desk, as plain lines for the batch work. Reads only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from bot.store.insights import NAME
from bot.store.part import Part

_FACTS = f"""
    SELECT {NAME}, c.created_at, 'support.ticket' FROM conversations c
        JOIN customers k ON k.id = c.customer_id WHERE c.created_at >= :since
    UNION ALL SELECT {NAME}, m.created_at, 'support.message' FROM messages m
        JOIN conversations c ON c.id = m.conversation_id JOIN customers k ON k.id = c.customer_id
        WHERE m.author = 'customer' AND m.created_at >= :since
    UNION ALL SELECT {NAME}, v.created_at, 'support.verdict' FROM verdicts v
        JOIN messages m ON m.id = v.message_id JOIN conversations c ON c.id = m.conversation_id
        JOIN customers k ON k.id = c.customer_id
        WHERE v.verdict != 'ignored' AND v.created_at >= :since"""  # noqa: S608
_PIECE = 5_000


class DeskFacts(Part):
    """Tickets, messages and verdicts of each customer."""

    async def write(self, path: Path, since: float) -> int:
        """Lines ``{"customer", "at", "name"}`` of what happened since then; how many.

        ``customer`` is the name in events (``customer_of``); ``name`` is ``support.ticket``,
        ``support.message`` or ``support.verdict``.
        """
        encode = msgspec.json.Encoder().encode

        def put(connection: sqlite3.Connection) -> int:
            count = 0
            with path.open("wb") as out:
                found = connection.execute(_FACTS, {"since": since})
                while rows := found.fetchmany(_PIECE):
                    out.writelines(
                        encode({"customer": row[0], "at": row[1], "name": row[2]}) + b"\n"
                        for row in rows
                    )
                    count += len(rows)
            return count

        return await self._db.read(put)
