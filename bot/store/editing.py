"""Edits of customers' messages: the new text takes the place of the former one, which is kept."""

from __future__ import annotations

import sqlite3

from bot.domain import Inbound, Receipt
from bot.store.texts import clean, head, message_digest


def edit_one(
    connection: sqlite3.Connection, inbound: Inbound, *, channel: str, external: str, now: float
) -> Receipt | None:
    """Receipt of the edited message, or None when the original never came.

    An edit seen before, or one that says what the message says already, is a duplicate.
    """
    row = connection.execute(
        """SELECT m.*, c.public_id AS conversation_pid FROM messages m
           JOIN conversations c ON c.id = m.conversation_id
           WHERE m.channel = ? AND m.external_id = ? AND m.author = 'customer'""",
        (channel, clean(inbound.edits_external_id or "")),
    ).fetchone()
    if row is None:
        return None
    text = clean(inbound.text)
    seen = (
        external != row["external_id"]
        and connection.execute(
            "SELECT 1 FROM message_edits WHERE channel = ? AND external_id = ?", (channel, external)
        ).fetchone()
    )
    duplicate = bool(seen) or text == row["text"]
    if not duplicate:
        _replace_text(connection, row, text, (channel, external), now)
    return Receipt(
        row["id"],
        row["public_id"],
        row["conversation_id"],
        row["conversation_pid"],
        duplicate=duplicate,
    )


def _replace_text(
    connection: sqlite3.Connection, row: sqlite3.Row, text: str, source: tuple[str, str], now: float
) -> None:
    connection.execute(
        """INSERT INTO message_edits (message_id, text, replaced_at, channel, external_id)
           VALUES (?, ?, ?, ?, ?)""",
        (row["id"], row["text"], now, *source),
    )
    renewed = message_digest(
        row["public_id"],
        row["conversation_id"],
        row["author"],
        row["kind"],
        text,
        row["created_at"],
        row["attachment"],
    )
    connection.execute(
        "UPDATE messages SET text = ?, edited_at = ?, digest = ? WHERE id = ?",
        (text, now, renewed, row["id"]),
    )
    newest = connection.execute(
        "SELECT max(id) FROM messages WHERE conversation_id = ? AND kind != 'note'",
        (row["conversation_id"],),
    ).fetchone()[0]
    if newest == row["id"]:
        # Nobody has answered yet: the new wording deserves suggestions of its own.
        connection.execute("UPDATE messages SET processed_at = NULL WHERE id = ?", (row["id"],))
        connection.execute("DELETE FROM suggestions WHERE message_id = ?", (row["id"],))
        connection.execute(
            "UPDATE conversations SET last_text = ? WHERE id = ?",
            (head(text), row["conversation_id"]),
        )
    connection.execute(
        "UPDATE conversations SET version = version + 1 WHERE id = ?", (row["conversation_id"],)
    )
