"""Telegram's updates: stored raw, once, with the messages in them, before the offset is confirmed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bot.domain import Inbound, Receipt
from bot.store.part import Part
from bot.store.receiving import receive_one
from bot.store.texts import clean

_OFFSET = "telegram_offset"


class Inbox(Part):
    """The order in which Telegram's updates were taken."""

    async def telegram_offset(self) -> int:
        """The offset to ask Telegram for: one more than the highest update stored; 0 at first."""

        def find(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (_OFFSET,)).fetchone()
            return 0 if row is None else int(row[0])

        return await self._db.read(find)

    async def receive_updates(
        self, updates: Sequence[tuple[int, str, Inbound | None]]
    ) -> list[Receipt | None]:
        """Receipts in the order given, None for updates without a message, after one commit of all.

        An update seen before gives the receipt of its message with ``duplicate=True``. What stays None
        is stored as well and moves the offset.

        Raises:
            StorageUnavailable: none of them is stored.
        """
        now = self._clock()

        def store(connection: sqlite3.Connection) -> list[Receipt | None]:
            return [_one(connection, *update, now) for update in updates]

        return await self._db.write(store)

    async def prune(self, before: float) -> int:
        """Number of raw updates older than ``before`` that were forgotten; messages and offset stay."""

        def drop(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM updates WHERE received_at < ?", (before,)).rowcount

        return await self._db.write(drop)


def _one(
    connection: sqlite3.Connection, update_id: int, raw: str, inbound: Inbound | None, now: float
) -> Receipt | None:
    known = connection.execute("SELECT message_id FROM updates WHERE update_id = ?", (update_id,)).fetchone()
    if known is not None:
        return _receipt(connection, known[0])
    receipt = None if inbound is None else receive_one(connection, inbound, now)
    connection.execute(
        "INSERT INTO updates (update_id, raw, received_at, message_id) VALUES (?, ?, ?, ?)",
        (update_id, clean(raw), now, None if receipt is None else receipt.message_id),
    )
    connection.execute(
        """INSERT INTO meta (key, value) VALUES (?, ?)
           ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)""",
        (_OFFSET, update_id + 1),
    )
    return receipt


def _receipt(connection: sqlite3.Connection, message_id: int | None) -> Receipt | None:
    row = connection.execute(
        """SELECT m.id, m.public_id, c.id, c.public_id FROM messages m
           JOIN conversations c ON c.id = m.conversation_id WHERE m.id = ?""",
        (message_id,),
    ).fetchone()
    return None if row is None else Receipt(*row, duplicate=True)
