"""Rows of an outgoing message: the message itself and its place in the outbox."""

from __future__ import annotations

import sqlite3

from bot.domain import Conversation, Delivery
from bot.store.part import public_id
from bot.store.records import Reply
from bot.store.texts import clean, dump, dump_attachment, message_digest


def insert_message(
    connection: sqlite3.Connection, conversation: Conversation, reply: Reply, now: float
) -> int:
    """Id of the new message row."""
    pid, text = public_id(), clean(reply.text)
    attached = dump_attachment(reply.attachment)
    cursor = connection.execute(
        """INSERT INTO messages (public_id, conversation_id, author, kind, text, created_at,
            language, channel,
           agent_id, reply_to_id, attachment, answer_id, suggestion_rank, idempotency_key, digest)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            pid,
            conversation.id,
            str(reply.author),
            str(reply.kind),
            text,
            now,
            reply.language or conversation.language,
            conversation.channel,
            reply.agent_id,
            reply.message_id,
            attached,
            reply.answer_id,
            reply.suggestion_rank,
            reply.idempotency_key,
            message_digest(pid, conversation.id, reply.author, reply.kind, text, now, attached),
        ),
    )
    return int(cursor.lastrowid or 0)


def queue_message(
    connection: sqlite3.Connection,
    message_id: int,
    before: Conversation,
    reply: Reply,
    *,
    now: float,
    after_version: int | None = None,
) -> None:
    """Put the message into the outbox, held for ``hold_s``.

    ``before`` and the version that the reply led to are kept: an undo puts the conversation back
    while nobody has changed it since.
    """
    memory = dump(
        {
            "state": str(before.state),
            "waiting_since": before.waiting_since,
            "assigned_agent_id": before.assigned_agent_id,
            "snoozed_until": before.snoozed_until,
            "after_version": after_version,
        }
    )
    connection.execute(
        """INSERT INTO outbox (message_id, conversation_id, channel, recipient, author, state,
            not_before,
           before, updated_at) SELECT ?, ?, k.channel, k.external_id, ?, ?, ?, ?, ? FROM customers
           k WHERE k.id = ?""",
        (
            message_id,
            before.id,
            str(reply.author),
            str(Delivery.HELD if reply.hold_s > 0 else Delivery.QUEUED),
            now + max(0.0, reply.hold_s),
            memory,
            now,
            before.customer_id,
        ),
    )
