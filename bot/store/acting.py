"""What is done with a conversation beside answering: states, assignment, notes, drafts."""

from __future__ import annotations

import sqlite3

from bot.domain import Author, Conversation, ConversationState, Message, MessageKind
from bot.errors import Conflict, InvalidTransition, NotFound
from bot.handover import Action, next_state
from bot.store import rows
from bot.store.part import Part
from bot.store.records import Reply
from bot.store.sending import insert_message, queue_message
from bot.store.sessions import load_agent
from bot.store.texts import clean

_ASSIGNABLE = frozenset({ConversationState.BOT, ConversationState.OPEN, ConversationState.TAKEN})


class Acting(Part):
    """Changes of a conversation, each checked against the version the caller saw."""

    async def act(
        self,
        conversation_id: int,
        action: Action,
        *,
        expected_version: int | None = None,
        agent_id: int | None = None,
        snoozed_until: float | None = None,
        system_text: str | None = None,
    ) -> Conversation:
        """The conversation after ``action``; ``system_text`` is sent to the customer with it.

        Taking assigns it to ``agent_id``; returning it to the bot frees it; closing ends the
        waiting.

        Raises:
            Conflict: ``expected_version`` is given and is no longer the version.
            InvalidTransition: the state does not allow the action.
            NotFound: there is no such conversation.
        """
        now = self._clock()
        return await self._db.write(
            lambda connection: act_on(
                connection,
                conversation_id,
                action,
                now,
                expected_version=expected_version,
                agent_id=agent_id,
                snoozed_until=snoozed_until,
                system_text=system_text,
            )
        )

    async def assign(
        self, conversation_id: int, agent_id: int | None, expected_version: int | None
    ) -> Conversation:
        """The conversation in the hands of ``agent_id``, or of nobody.

        Given to somebody, it is TAKEN; snoozed and closed ones stay so. Given to nobody, it keeps
        its state and stands among the unassigned.

        Raises:
            Conflict: somebody changed it since that version.
            NotFound: there is no such conversation, or no such agent any more.
        """
        now = self._clock()

        def change(connection: sqlite3.Connection) -> Conversation:
            before = check_version(connection, conversation_id, expected_version)
            if agent_id is not None and load_agent(connection, agent_id).disabled_at is not None:
                raise NotFound(f"There is no agent {agent_id}.")
            if agent_id is not None and before.state in _ASSIGNABLE:
                apply_action(connection, before, Action.AGENT_TOOK, now, agent_id=agent_id)
            else:
                connection.execute(
                    """UPDATE conversations SET assigned_agent_id = ?, version = version + 1 WHERE
                        id = ?""",
                    (agent_id, conversation_id),
                )
                note_event(connection, before, "assigned", before.state, agent_id=agent_id, now=now)
            return rows.load_conversation(connection, conversation_id)

        return await self._db.write(change)

    async def add_note(self, conversation_id: int, agent_id: int | None, text: str) -> Message:
        """A private note, never sent.

        Raises:
            NotFound: there is no such conversation.
        """
        now = self._clock()

        def add(connection: sqlite3.Connection) -> Message:
            conversation = rows.load_conversation(connection, conversation_id)
            note = Reply(text=text, author=Author.AGENT, agent_id=agent_id, kind=MessageKind.NOTE)
            message_id = insert_message(connection, conversation, note, now)
            connection.execute(
                "UPDATE conversations SET version = version + 1 WHERE id = ?", (conversation_id,)
            )
            return rows.load_message(connection, message_id)

        return await self._db.write(add)

    async def mark_read(self, conversation_id: int, agent_id: int | None) -> None:  # noqa: ARG002
        """Nothing is unread any more; one person's reading counts for the team."""

        def mark(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE conversations SET unread = 0 WHERE id = ?", (conversation_id,)
            )

        await self._db.write(mark)

    async def save_draft(self, conversation_id: int, agent_id: int, text: str) -> None:
        """Keep an agent's unfinished reply; empty text forgets it.

        Raises:
            NotFound: there is no such conversation.
        """
        now = self._clock()

        def save(connection: sqlite3.Connection) -> None:
            rows.load_conversation(connection, conversation_id)
            if text:
                connection.execute(
                    """INSERT INTO drafts (conversation_id, agent_id, text, updated_at) VALUES (?,
                        ?, ?, ?)
                       ON CONFLICT DO UPDATE SET text = excluded.text, updated_at =
                       excluded.updated_at""",
                    (conversation_id, agent_id, clean(text), now),
                )
            else:
                connection.execute(
                    "DELETE FROM drafts WHERE conversation_id = ? AND agent_id = ?",
                    (conversation_id, agent_id),
                )

        await self._db.write(save)

    async def load_draft(self, conversation_id: int, agent_id: int) -> str:
        """The agent's unfinished reply, or empty text."""

        def load(connection: sqlite3.Connection) -> str:
            row = connection.execute(
                "SELECT text FROM drafts WHERE conversation_id = ? AND agent_id = ?",
                (conversation_id, agent_id),
            ).fetchone()
            return "" if row is None else str(row[0])

        return await self._db.read(load)


def act_on(
    connection: sqlite3.Connection,
    conversation_id: int,
    action: Action,
    now: float,
    *,
    expected_version: int | None = None,
    agent_id: int | None = None,
    snoozed_until: float | None = None,
    system_text: str | None = None,
) -> Conversation:
    """``Acting.act`` in the transaction of ``connection``; raises what that raises."""
    before = check_version(connection, conversation_id, expected_version)
    apply_action(connection, before, action, now, agent_id=agent_id, snoozed_until=snoozed_until)
    if system_text:
        reply = Reply(text=system_text, author=Author.SYSTEM, language=before.language)
        message_id = insert_message(connection, before, reply, now)
        queue_message(connection, message_id, before, reply, now=now)
        # The list goes on showing what the customer said, not our own notice.
        connection.execute(
            """UPDATE conversations SET last_message_at = max(last_message_at, ?)
               WHERE id = ?""",
            (now, conversation_id),
        )
    return rows.load_conversation(connection, conversation_id)


def check_version(
    connection: sqlite3.Connection, conversation_id: int, expected_version: int | None
) -> Conversation:
    """The conversation, if it is still of that version.

    Raises:
        Conflict: it is not.
        NotFound: there is no such conversation.
    """
    conversation = rows.load_conversation(connection, conversation_id)
    if expected_version is not None and conversation.version != expected_version:
        raise Conflict(remedy="Look at what changed, then try again.")
    return conversation


def apply_action(
    connection: sqlite3.Connection,
    before: Conversation,
    action: Action,
    now: float,
    *,
    agent_id: int | None = None,
    snoozed_until: float | None = None,
) -> ConversationState:
    """State after ``action``, written with its event.

    Raises:
        InvalidTransition: the state does not allow the action, or snoozing names no time.
    """
    after = next_state(before.state, action)
    if after is ConversationState.SNOOZED and snoozed_until is None:
        raise InvalidTransition("Snoozing needs a time to wake.")
    waiting, assigned = before.waiting_since, before.assigned_agent_id
    if action in {Action.CLOSED, Action.BOT_ANSWERED}:
        waiting = None
    elif action in {Action.PERSON_WANTED, Action.CUSTOMER_WROTE} and waiting is None:
        waiting = now
    if action is Action.AGENT_TOOK and agent_id is not None:
        assigned = agent_id
    elif action is Action.RETURNED_TO_BOT:
        assigned = None
    connection.execute(
        """UPDATE conversations SET state = ?, waiting_since = ?, assigned_agent_id = ?,
            snoozed_until = ?,
           version = version + 1 WHERE id = ?""",
        (
            str(after),
            waiting,
            assigned,
            snoozed_until if after is ConversationState.SNOOZED else None,
            before.id,
        ),
    )
    note_event(connection, before, str(action), after, agent_id=agent_id, now=now)
    return after


def note_event(
    connection: sqlite3.Connection,
    before: Conversation,
    action: str,
    after: ConversationState,
    *,
    agent_id: int | None,
    now: float,
) -> None:
    """Write down that ``action`` led from ``before`` to the state ``after``."""
    connection.execute(
        """INSERT INTO conversation_events (conversation_id, action, from_state, to_state,
           agent_id, at, message_id)
           VALUES (?, ?, ?, ?, ?, ?, (SELECT max(id) FROM messages WHERE conversation_id = ?))""",
        (before.id, action, str(before.state), str(after), agent_id, now, before.id),
    )
