"""The way out of the desk: a reply in one transaction, and taking it back while it is held."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import msgspec

from bot.domain import Author, Conversation, ConversationState, Delivery, Message
from bot.errors import AlreadyAnswered, Conflict
from bot.handover import Action
from bot.store import rows
from bot.store.acting import apply_action
from bot.store.feedback import drop_verdicts_of, put_verdicts
from bot.store.part import Part
from bot.store.records import Reply
from bot.store.sending import insert_message, queue_message
from bot.store.texts import clean, head

_ACTIONS = {Author.AGENT: Action.AGENT_TOOK, Author.BOT: Action.BOT_ANSWERED}


class Replying(Part):
    """Answers of agents, the bot and the system."""

    async def reply(self, conversation_id: int, reply: Reply) -> Message:
        """The stored message: message, outbox row, verdicts and state in one commit.

        An agent's reply takes the conversation and ends the waiting; ``close`` closes it as well.
        The bot's ends the waiting. A system text changes no state. A second call with the same
        ``idempotency_key`` gives the first message and changes nothing.

        Raises:
            AlreadyAnswered: somebody else answered after ``seen_message_id``.
            InvalidTransition: the bot answers while it may not speak.
            NotFound: there is no such conversation.
        """
        now = self._clock()
        return await self._db.write(
            lambda connection: reply_to(connection, conversation_id, reply, now)
        )

    async def undo(self, message_id: int, agent_id: int | None) -> Message:
        """The message, taken back before it left, with its verdicts gone.

        The conversation returns to where it was, unless somebody changed it meanwhile. The message
        stays in the list with ``delivery`` cancelled. Undoing twice gives the same.

        Raises:
            Conflict: it is already on its way.
            NotFound: there is no such message.
        """
        now = self._clock()

        def take_back(connection: sqlite3.Connection) -> Message:
            message = rows.load_message(connection, message_id)
            if message.delivery is Delivery.CANCELLED:
                return message
            if message.delivery is not Delivery.HELD or message.outbox_id is None:
                raise Conflict("The message is already on its way and cannot be taken back.")
            cancel(connection, message.outbox_id, now, agent_id=agent_id)
            return rows.load_message(connection, message_id)

        return await self._db.write(take_back)


def reply_to(
    connection: sqlite3.Connection, conversation_id: int, reply: Reply, now: float
) -> Message:
    """``Replying.reply`` in the transaction of ``connection``; raises what that raises."""
    if reply.idempotency_key is not None:
        known = connection.execute(
            "SELECT id FROM messages WHERE conversation_id = ? AND idempotency_key = ?",
            (conversation_id, reply.idempotency_key),
        ).fetchone()
        if known is not None:
            return rows.load_message(connection, known[0])
    before = rows.load_conversation(connection, conversation_id)
    _refuse_second_answer(connection, conversation_id, reply)
    message_id = insert_message(connection, before, reply, now)
    version = _move(connection, before, reply, now)
    queue_message(connection, message_id, before, reply, now=now, after_version=version)
    put_verdicts(connection, reply.verdicts, reply_id=message_id)
    return rows.load_message(connection, message_id)


def _refuse_second_answer(
    connection: sqlite3.Connection, conversation_id: int, reply: Reply
) -> None:
    """Raise AlreadyAnswered where a person or the bot answered what the author had not seen.

    One's own answers, notes, words of the system and replies taken back do not count.
    """
    if reply.seen_message_id is None:
        return
    answer = connection.execute(
        """SELECT m.id FROM messages m LEFT JOIN outbox o ON o.message_id = m.id
           WHERE m.conversation_id = ? AND m.id > ? AND m.author IN ('agent', 'bot')
             AND m.kind != 'note' AND coalesce(o.state, '') != 'cancelled'
             AND NOT (m.author = ? AND m.agent_id IS ?) ORDER BY m.id LIMIT 1""",
        (conversation_id, reply.seen_message_id, str(reply.author), reply.agent_id),
    ).fetchone()
    if answer is not None:
        raise AlreadyAnswered(answer[0])


def cancel(
    connection: sqlite3.Connection, outbox_id: int, now: float, *, agent_id: int | None = None
) -> None:
    """Cancel an unsent row, forget its verdicts and let the customer wait again."""
    row = connection.execute(
        """UPDATE outbox SET state = 'cancelled', updated_at = ? WHERE id = ?
           RETURNING message_id, conversation_id, before""",
        (now, outbox_id),
    ).fetchone()
    drop_verdicts_of(connection, row["message_id"])
    memory: dict[str, Any] = msgspec.json.decode(row["before"])
    current = rows.load_conversation(connection, row["conversation_id"])
    untouched = memory.get("after_version") == current.version
    state = ConversationState(memory["state"]) if untouched else current.state
    # State is put back, not moved: this is the past undone, so next_state has no say.
    connection.execute(
        """UPDATE conversations SET state = ?, assigned_agent_id = ?, snoozed_until = ?,
           waiting_since = ?, last_text = ?, version = version + 1 WHERE id = ?""",
        (
            state,
            memory["assigned_agent_id"] if untouched else current.assigned_agent_id,
            memory["snoozed_until"] if untouched else current.snoozed_until,
            _waiting(connection, outbox_id, memory["waiting_since"], replace(current, state=state)),
            _last_text(connection, current.id),
            current.id,
        ),
    )
    if untouched:
        connection.execute(
            """INSERT INTO conversation_events (conversation_id, action, from_state, to_state,
                agent_id, at)
               VALUES (?, 'undone', ?, ?, ?, ?)""",
            (current.id, str(current.state), memory["state"], agent_id, now),
        )


def _waiting(
    connection: sqlite3.Connection, outbox_id: int, before: float | None, current: Conversation
) -> float | None:
    """Since when the customer waits, now that the row ``outbox_id`` is no answer any more.

    The earliest of: ``before`` the reply, now, and the first customer's message that neither an
    answer nor a closing followed.
    """
    if current.state is ConversationState.CLOSED:
        return current.waiting_since
    answered = connection.execute(
        """SELECT max(id), max(message_id) FROM outbox WHERE conversation_id = ?
           AND author IN ('agent', 'bot') AND state != 'cancelled'""",
        (current.id,),
    ).fetchone()
    closed = connection.execute(
        """SELECT max(message_id) FROM conversation_events WHERE conversation_id = ?
           AND action = 'closed' AND message_id <
           (SELECT message_id FROM outbox WHERE id = ?)""",
        (current.id, outbox_id),
    ).fetchone()
    unanswered = connection.execute(
        """SELECT min(created_at) FROM messages WHERE conversation_id = ? AND id > ?
           AND author = 'customer'""",
        (current.id, max(answered[1] or 0, closed[0] or 0)),
    ).fetchone()
    times = [current.waiting_since, unanswered[0]]
    if (answered[0] or 0) < outbox_id:
        times.append(before)
    return min((at for at in times if at is not None), default=None)


def _last_text(connection: sqlite3.Connection, conversation_id: int) -> str:
    row = connection.execute(
        """SELECT m.text FROM messages m LEFT JOIN outbox o ON o.message_id = m.id
           WHERE m.conversation_id = ? AND m.kind != 'note' AND m.author != 'system'
             AND coalesce(o.state, '') != 'cancelled'
           ORDER BY m.id DESC LIMIT 1""",
        (conversation_id,),
    ).fetchone()
    return "" if row is None else head(row[0])


def _move(connection: sqlite3.Connection, before: Conversation, reply: Reply, now: float) -> int:
    """Version of the conversation after the reply has set its state, waiting and last text."""
    action = _ACTIONS.get(reply.author)
    if action is not None:
        # A reply to a colleague's conversation helps out; it does not take it over.
        owner = before.assigned_agent_id or reply.agent_id
        apply_action(connection, before, action, now, agent_id=owner)
    if reply.close:
        middle = rows.load_conversation(connection, before.id)
        apply_action(connection, middle, Action.CLOSED, now, agent_id=reply.agent_id)
    answered = reply.author in _ACTIONS
    version = connection.execute(
        """UPDATE conversations SET last_message_at = max(last_message_at, ?),
           last_text = CASE WHEN ? THEN last_text ELSE ? END,
           waiting_since = CASE WHEN ? THEN NULL ELSE waiting_since END,
           unread = CASE WHEN ? THEN 0 ELSE unread END, version = version + 1
           WHERE id = ? RETURNING version""",
        (
            now,
            reply.author is Author.SYSTEM,
            head(clean(reply.text)),
            answered,
            reply.author is Author.AGENT,
            before.id,
        ),
    ).fetchone()[0]
    if reply.author is Author.AGENT and reply.agent_id is not None:
        connection.execute(
            "DELETE FROM drafts WHERE conversation_id = ? AND agent_id = ?",
            (before.id, reply.agent_id),
        )
    return int(version)
