"""Telegram's updates: stored raw, once, with their messages, before the offset is confirmed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bot.domain import Inbound, Receipt
from bot.store.part import Part
from bot.store.receiving import receive_one
from bot.store.texts import clean

_OFFSET = "telegram_offset"
_TAKEN_AT = "telegram_taken_at"

# After a week without updates Telegram goes on from a random number, maybe a lower one; an old
# offset would then confirm updates that were never seen.
_OFFSET_VALID_S = 6 * 86_400


class Inbox(Part):
    """The order in which Telegram's updates were taken."""

    async def telegram_offset(self) -> int:
        """The offset to ask Telegram for: one more than the highest update stored.

        0, which confirms nothing, at first and after six quiet days.
        """
        now = self._clock()
        return await self._db.read(lambda connection: _offset(connection, now))

    async def receive_updates(
        self, updates: Sequence[tuple[int, str, Inbound | None]]
    ) -> list[Receipt | None]:
        """Receipts in the order given, None for updates without a message, after one commit of all.

        An update seen before gives the receipt of its message with ``duplicate=True``. What stays
        None is stored as well and moves the offset.

        Raises:
            StorageUnavailable: none of them is stored.
        """
        now = self._clock()

        def store(connection: sqlite3.Connection) -> list[Receipt | None]:
            return [_one(connection, *update, now) for update in updates]

        return await self._db.write(store)

    async def prune(self, before: float) -> int:
        """Number of raw updates forgotten, older than ``before``; messages and offset stay."""

        def drop(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM updates WHERE received_at < ?", (before,)
            ).rowcount

        return await self._db.write(drop)


def _one(
    connection: sqlite3.Connection, update_id: int, raw: str, inbound: Inbound | None, now: float
) -> Receipt | None:
    known = connection.execute(
        "SELECT message_id FROM updates WHERE update_id = ?", (update_id,)
    ).fetchone()
    if known is not None:
        return _receipt(connection, known[0])
    receipt = None if inbound is None else receive_one(connection, inbound, now)
    connection.execute(
        "INSERT INTO updates (update_id, raw, received_at, message_id) VALUES (?, ?, ?, ?)",
        (update_id, clean(raw), now, None if receipt is None else receipt.message_id),
    )
    offset = max(_offset(connection, now), update_id + 1)
    connection.executemany(
        """INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value =
            excluded.value""",
        [(_OFFSET, offset), (_TAKEN_AT, int(now))],
    )
    return receipt


def _offset(connection: sqlite3.Connection, now: float) -> int:
    values = dict(
        connection.execute(
            "SELECT key, value FROM meta WHERE key IN (?, ?)", (_OFFSET, _TAKEN_AT)
        ).fetchall()
    )
    if abs(now - values.get(_TAKEN_AT, 0)) > _OFFSET_VALID_S:
        return 0
    return int(values.get(_OFFSET, 0))


def _receipt(connection: sqlite3.Connection, message_id: int | None) -> Receipt | None:
    row = connection.execute(
        """SELECT m.id, m.public_id, c.id, c.public_id FROM messages m
           JOIN conversations c ON c.id = m.conversation_id WHERE m.id = ?""",
        (message_id,),
    ).fetchone()
    if row is None:
        return None
    return Receipt(row[0], row[1], row[2], row[3], duplicate=True)
