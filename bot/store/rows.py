"""Rows to records, and the SELECT heads that give those rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from bot.domain import (
    Article,
    Attachment,
    Author,
    Conversation,
    ConversationState,
    Customer,
    Delivery,
    Message,
    MessageKind,
    OutboxRow,
)
from bot.errors import NotFound

MESSAGES = """SELECT m.*, o.id AS outbox_id, o.state AS delivery, o.error AS delivery_error
    FROM messages m LEFT JOIN outbox o ON o.message_id = m.id """

CONVERSATIONS = """SELECT c.*, k.name AS customer_name, a.name AS assigned_agent_name,
    (SELECT count(*) FROM outbox o WHERE o.conversation_id = c.id AND o.state IN ('uncertain',
    'failed'))
        AS uncertain
    FROM conversations c JOIN customers k ON k.id = c.customer_id
    LEFT JOIN agents a ON a.id = c.assigned_agent_id """

OUTBOX = """SELECT o.*, m.text, m.kind, m.attachment, c.public_id AS conversation_public_id,
    (SELECT r.external_id FROM messages r WHERE r.id = m.reply_to_id) AS reply_to_external_id
    FROM outbox o JOIN messages m ON m.id = o.message_id
    JOIN conversations c ON c.id = o.conversation_id """


def attachment(text: str | None) -> Attachment | None:
    """The attachment stored as JSON ``text``."""
    return None if text is None else msgspec.json.decode(text, type=Attachment)


def message(row: sqlite3.Row) -> Message:
    """A row of ``MESSAGES``."""
    return Message(
        id=row["id"],
        public_id=row["public_id"],
        conversation_id=row["conversation_id"],
        author=Author(row["author"]),
        kind=MessageKind(row["kind"]),
        text=row["text"],
        created_at=row["created_at"],
        language=row["language"],
        channel=row["channel"],
        external_id=row["external_id"],
        agent_id=row["agent_id"],
        reply_to_id=row["reply_to_id"],
        edited_at=row["edited_at"],
        attachment=attachment(row["attachment"]),
        answer_id=row["answer_id"],
        delivery=None if row["delivery"] is None else Delivery(row["delivery"]),
        delivery_error=row["delivery_error"],
        outbox_id=row["outbox_id"],
    )


def conversation(row: sqlite3.Row) -> Conversation:
    """A row of ``CONVERSATIONS``."""
    return Conversation(
        id=row["id"],
        public_id=row["public_id"],
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        channel=row["channel"],
        state=ConversationState(row["state"]),
        language=row["language"],
        created_at=row["created_at"],
        last_message_at=row["last_message_at"],
        version=row["version"],
        assigned_agent_id=row["assigned_agent_id"],
        assigned_agent_name=row["assigned_agent_name"],
        category=row["category"],
        category_probability=row["category_probability"],
        waiting_since=row["waiting_since"],
        snoozed_until=row["snoozed_until"],
        last_text=row["last_text"],
        unread=row["unread"],
        uncertain=row["uncertain"],
    )


def customer(row: sqlite3.Row) -> Customer:
    """A row of ``customers``."""
    return Customer(
        id=row["id"],
        public_id=row["public_id"],
        channel=row["channel"],
        external_id=row["external_id"],
        name=row["name"],
        language=row["language"],
        created_at=row["created_at"],
        blocked=bool(row["blocked"]),
    )


def outbox_row(row: sqlite3.Row) -> OutboxRow:
    """A row of ``OUTBOX``."""
    return OutboxRow(
        id=row["id"],
        message_id=row["message_id"],
        conversation_id=row["conversation_id"],
        conversation_public_id=row["conversation_public_id"],
        channel=row["channel"],
        recipient=row["recipient"],
        text=row["text"],
        author=Author(row["author"]),
        attempts=row["attempts"],
        state=Delivery(row["state"]),
        kind=MessageKind(row["kind"]),
        attachment=attachment(row["attachment"]),
        reply_to_external_id=row["reply_to_external_id"],
    )


def article(row: sqlite3.Row, questions: Sequence[str], counts: dict[str, int]) -> Article:
    """A row of ``articles`` with its questions and the number of each verdict."""
    return Article(
        id=row["id"],
        title=row["title"],
        text=row["text"],
        category=row["category"],
        language=row["language"],
        questions=tuple(questions),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        twin_id=row["twin_id"],
        removed_at=row["removed_at"],
        accepted=counts.get("accepted", 0),
        edited=counts.get("edited", 0),
        rejected=counts.get("rejected", 0),
        shown=sum(counts.values()),
    )


def load_message(connection: sqlite3.Connection, message_id: int) -> Message:
    """The message.

    Raises:
        NotFound: there is none of this id.
    """
    row = connection.execute(MESSAGES + "WHERE m.id = ?", (message_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no message {message_id}.")
    return message(row)


def load_conversation(connection: sqlite3.Connection, conversation_id: int) -> Conversation:
    """The conversation.

    Raises:
        NotFound: there is none of this id.
    """
    row = connection.execute(CONVERSATIONS + "WHERE c.id = ?", (conversation_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    return conversation(row)


def load_conversations(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Conversation]:
    """The conversations that exist, in the order of ``ids``."""
    found = connection.execute(
        CONVERSATIONS + "JOIN json_each(?) wanted ON wanted.value = c.id ORDER BY wanted.key",
        (msgspec.json.encode(ids).decode(),),
    )
    return [conversation(row) for row in found]
