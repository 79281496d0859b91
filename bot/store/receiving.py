"""The way in: customers' messages, their edits, and what the models said of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from bot.domain import (
    Author,
    ConversationState,
    Decision,
    Inbound,
    Message,
    Receipt,
    Suggestions,
)
from bot.errors import NotFound
from bot.handover import Action, next_state
from bot.store import rows
from bot.store.editing import edit_one
from bot.store.part import Part, public_id
from bot.store.texts import clean, dump, dump_attachment, head, message_digest

# A closed conversation silent for longer is history: the next message opens a new one.
REOPEN_WITHIN_S = 7 * 86_400.0

_INSERT = """INSERT INTO messages (public_id, conversation_id, author, kind, text, created_at,
    language,
    channel, external_id, reply_to_id, attachment, wants_person, metadata, digest)
    VALUES (?, ?, 'customer', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class Receiving(Part):
    """Storing what customers write."""

    async def receive(self, inbounds: Sequence[Inbound]) -> list[Receipt]:
        """Receipts in the order given, after one commit of all of them.

        A message seen before (same channel and ``external_id``) gives its first receipt again with
        ``duplicate=True`` and changes nothing. An edit keeps the former text; an edit of a message
        that never came is stored as that message. A customer's closed conversation opens again, or,
        after a week of silence, a new one begins.

        Raises:
            StorageUnavailable: none of them is stored.
        """

        def store(connection: sqlite3.Connection) -> list[Receipt]:
            return [receive_one(connection, inbound, self._clock()) for inbound in inbounds]

        return await self._db.write(store)

    async def unprocessed(self, limit: int = 100) -> list[Message]:
        """Customers' messages without suggestions yet, oldest first."""

        def find(connection: sqlite3.Connection) -> list[Message]:
            found = connection.execute(
                rows.MESSAGES
                + "WHERE m.processed_at IS NULL AND m.author = 'customer' ORDER BY m.id LIMIT ?",
                (limit,),
            )
            return [rows.message(row) for row in found]

        return await self._db.read(find)

    async def save_suggestions(
        self, message_id: int, suggestions: Suggestions, decision: Decision
    ) -> None:
        """Keep what the models said and mark the message processed; again with the same: no change.

        The best category of a message that belongs here becomes the conversation's.

        Raises:
            NotFound: there is no such message.
        """
        now = self._clock()
        await self._db.write(
            lambda connection: put_suggestions(connection, message_id, suggestions, decision, now)
        )

    async def suggestions(self, message_id: int) -> tuple[Suggestions, Decision] | None:
        """What was saved for the message, or None."""

        def find(connection: sqlite3.Connection) -> tuple[Suggestions, Decision] | None:
            row = connection.execute(
                "SELECT payload, decision FROM suggestions WHERE message_id = ?", (message_id,)
            ).fetchone()
            if row is None:
                return None
            return msgspec.json.decode(row[0], type=Suggestions), Decision(row[1])

        return await self._db.read(find)


def put_suggestions(
    connection: sqlite3.Connection,
    message_id: int,
    suggestions: Suggestions,
    decision: Decision,
    now: float,
) -> None:
    """``Receiving.save_suggestions`` in the transaction of ``connection``."""
    found = connection.execute(
        """UPDATE messages SET processed_at = coalesce(processed_at, ?),
           language = CASE WHEN ? = '' THEN language ELSE ? END
           WHERE id = ? RETURNING conversation_id""",
        (now, suggestions.language, suggestions.language, message_id),
    ).fetchone()
    if found is None:
        raise NotFound(f"There is no message {message_id}.")
    connection.execute(
        """INSERT INTO suggestions (message_id, decision, model_version, payload, created_at)
           VALUES (?, ?, ?, ?, ?) ON CONFLICT (message_id) DO UPDATE SET
           decision = excluded.decision, model_version = excluded.model_version,
           payload = excluded.payload""",
        (message_id, str(decision), suggestions.model_version, dump(suggestions), now),
    )
    _describe(connection, found[0], suggestions)


def receive_one(connection: sqlite3.Connection, inbound: Inbound, now: float) -> Receipt:
    """Store one inbound message in the transaction of ``connection``."""
    channel, external = clean(inbound.channel), clean(inbound.external_id)
    if inbound.edits_external_id is not None:
        edited = edit_one(connection, inbound, channel=channel, external=external, now=now)
        if edited is not None:
            if not edited.duplicate:
                _customer(connection, inbound, channel)
            return edited
        external = clean(inbound.edits_external_id)
    known = connection.execute(
        """SELECT m.id, m.public_id, c.id, c.public_id FROM messages m
           JOIN conversations c ON c.id = m.conversation_id
           WHERE m.channel = ? AND m.external_id = ? AND m.author = 'customer'""",
        (channel, external),
    ).fetchone()
    if known is not None:
        return Receipt(known[0], known[1], known[2], known[3], duplicate=True)
    conversation_id, conversation_pid = _conversation(connection, inbound, channel, now)
    message_id, message_pid = _insert(connection, inbound, conversation_id, channel, external)
    _touch(connection, inbound, conversation_id)
    return Receipt(message_id, message_pid, conversation_id, conversation_pid, duplicate=False)


def _insert(
    connection: sqlite3.Connection,
    inbound: Inbound,
    conversation_id: int,
    channel: str,
    external: str,
) -> tuple[int, str]:
    pid, text = public_id(), clean(inbound.text)
    attached = dump_attachment(inbound.attachment)
    reply_to = None
    if inbound.reply_to_external_id is not None:
        row = connection.execute(
            """SELECT id FROM messages WHERE conversation_id = ? AND external_id = ? ORDER BY id
                DESC LIMIT 1""",
            (conversation_id, clean(inbound.reply_to_external_id)),
        ).fetchone()
        reply_to = None if row is None else row[0]
    metadata = {clean(key): clean(value) for key, value in inbound.metadata.items()}
    cursor = connection.execute(
        _INSERT,
        (
            pid,
            conversation_id,
            str(inbound.kind),
            text,
            inbound.received_at,
            clean(inbound.language),
            channel,
            external,
            reply_to,
            attached,
            inbound.wants_person,
            dump(metadata) if metadata else None,
            message_digest(
                pid,
                conversation_id,
                Author.CUSTOMER,
                inbound.kind,
                text,
                inbound.received_at,
                attached,
            ),
        ),
    )
    return int(cursor.lastrowid or 0), pid


def _customer(connection: sqlite3.Connection, inbound: Inbound, channel: str) -> int:
    external, name = clean(inbound.customer_external_id), clean(inbound.customer_name)
    language = clean(inbound.language)
    row = connection.execute(
        """SELECT id, name, language, blocked FROM customers
           WHERE channel = ? AND external_id = ?""",
        (channel, external),
    ).fetchone()
    if row is None:
        cursor = connection.execute(
            """INSERT INTO customers (public_id, channel, external_id, name, language, created_at)
               VALUES (?, ?, ?, ?, ?, ?)""",
            (public_id(), channel, external, name, language, inbound.received_at),
        )
        return int(cursor.lastrowid or 0)
    if row["blocked"]:
        # Who writes can be reached again.
        connection.execute("UPDATE customers SET blocked = 0 WHERE id = ?", (row["id"],))
    if name and name != row["name"]:
        connection.execute("UPDATE customers SET name = ? WHERE id = ?", (name, row["id"]))
    if language and not row["language"]:
        connection.execute("UPDATE customers SET language = ? WHERE id = ?", (language, row["id"]))
    return int(row["id"])


def _conversation(
    connection: sqlite3.Connection, inbound: Inbound, channel: str, now: float
) -> tuple[int, str]:
    customer_id = _customer(connection, inbound, channel)
    row = connection.execute(
        """SELECT id, public_id, state, last_message_at FROM conversations
           WHERE customer_id = ? ORDER BY id DESC LIMIT 1""",
        (customer_id,),
    ).fetchone()
    over = (
        row is not None
        and row["state"] == ConversationState.CLOSED
        and now - row["last_message_at"] > REOPEN_WITHIN_S
    )
    if row is not None and not over:
        return int(row["id"]), str(row["public_id"])
    pid = public_id()
    cursor = connection.execute(
        """INSERT INTO conversations (public_id, customer_id, channel, state, language, created_at,
           last_message_at) VALUES (?, ?, ?, 'bot', ?, ?, ?)""",
        (
            pid,
            customer_id,
            channel,
            clean(inbound.language),
            inbound.received_at,
            inbound.received_at,
        ),
    )
    return int(cursor.lastrowid or 0), pid


def _touch(connection: sqlite3.Connection, inbound: Inbound, conversation_id: int) -> None:
    row = connection.execute(
        "SELECT state FROM conversations WHERE id = ?", (conversation_id,)
    ).fetchone()
    before = ConversationState(row[0])
    after = next_state(before, Action.CUSTOMER_WROTE)
    # A reopened conversation belongs to the bot again, so nobody holds it.
    reopened = before is ConversationState.CLOSED
    connection.execute(
        """UPDATE conversations SET state = ?, version = version + 1, unread = unread + 1,
           last_message_at = max(last_message_at, ?), last_text = ?, snoozed_until = NULL,
           waiting_since = coalesce(waiting_since, ?),
           assigned_agent_id = CASE WHEN ? THEN NULL ELSE assigned_agent_id END WHERE id = ?""",
        (
            str(after),
            inbound.received_at,
            head(clean(inbound.text)),
            inbound.received_at,
            reopened,
            conversation_id,
        ),
    )
    if after is not before:
        connection.execute(
            """INSERT INTO conversation_events (conversation_id, action, from_state, to_state, at)
               VALUES (?, ?, ?, ?, ?)""",
            (
                conversation_id,
                str(Action.CUSTOMER_WROTE),
                str(before),
                str(after),
                inbound.received_at,
            ),
        )


def _describe(
    connection: sqlite3.Connection, conversation_id: int, suggestions: Suggestions
) -> None:
    if suggestions.language:
        connection.execute(
            "UPDATE conversations SET language = ? WHERE id = ?",
            (suggestions.language, conversation_id),
        )
    if suggestions.categories and not suggestions.foreign:
        best = max(suggestions.categories, key=lambda guess: guess.probability)
        connection.execute(
            "UPDATE conversations SET category = ?, category_probability = ? WHERE id = ?",
            (best.name, best.probability, conversation_id),
        )
