"""What the pipeline reads of messages that came in, and one commit of what it does about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.domain import Conversation, Decision, Message, Suggestions
from bot.handover import Action
from bot.store import rows
from bot.store.acting import act_on
from bot.store.part import Part
from bot.store.receiving import put_suggestions
from bot.store.records import Reply
from bot.store.replying import reply_to

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A conversation with messages that wait for suggestions.

    Attributes:
        conversation: as it is now.
        messages: of the ids asked for, oldest first; erased ones are left out.
        answer_id: newest answer; messages of a lower id are answered. 0 where there is none.
    """

    conversation: Conversation
    messages: tuple[Message, ...]
    answer_id: int


@dataclass(frozen=True, slots=True)
class Intake:
    """What is known of messages that came in.

    Attributes:
        asked: by conversation; erased ones are left out.
        automatic: threshold of each category where the bot may answer.
    """

    asked: Mapping[int, Asked]
    automatic: Mapping[str, float]


class HeldConversation:
    """A conversation inside of a write: nobody changes it meanwhile, all is committed at once."""

    def __init__(self, connection: sqlite3.Connection, conversation_id: int, now: float) -> None:
        self._connection = connection
        self._id = conversation_id
        self._now = now

    def get(self) -> Conversation:
        """The conversation as it is, after what was done to it here.

        Raises:
            NotFound: it was erased.
        """
        return rows.load_conversation(self._connection, self._id)

    def answer_id(self) -> int:
        """The newest answer of a person or the bot that was not taken back; 0: there is none."""
        return _answer_id(self._connection, self._id)

    def wants_person(self, message_id: int) -> bool:
        """True when the channel said that this message asks for a person."""
        row = self._connection.execute(
            "SELECT wants_person FROM messages WHERE id = ?", (message_id,)
        ).fetchone()
        return row is not None and bool(row[0])

    def act(self, action: Action, *, system_text: str | None = None) -> Conversation:
        """See ``Acting.act``."""
        return act_on(self._connection, self._id, action, self._now, system_text=system_text)

    def reply(self, reply: Reply) -> Message:
        """See ``Replying.reply``."""
        return reply_to(self._connection, self._id, reply, self._now)

    def save_suggestions(
        self, message_id: int, suggestions: Suggestions, decision: Decision
    ) -> None:
        """See ``Receiving.save_suggestions``."""
        put_suggestions(self._connection, message_id, suggestions, decision, self._now)


class Settling(Part):
    """Bursts of messages on their way to suggestions and decisions."""

    async def intake(self, message_ids: Mapping[int, Sequence[int]]) -> Intake:
        """What is known of the messages named, by conversation."""

        def find(connection: sqlite3.Connection) -> Intake:
            asked = {}
            for conversation_id, ids in message_ids.items():
                row = connection.execute(
                    rows.CONVERSATIONS + "WHERE c.id = ?", (conversation_id,)
                ).fetchone()
                if row is not None:
                    messages = tuple(_messages(connection, ids))
                    answer_id = _answer_id(connection, conversation_id)
                    asked[conversation_id] = Asked(rows.conversation(row), messages, answer_id)
            automatic = connection.execute(
                "SELECT name, auto_threshold FROM categories WHERE auto_reply"
            )
            return Intake(asked, dict(automatic.fetchall()))

        return await self._db.read(find)

    async def settle(self, conversation_id: int, decide: Callable[[HeldConversation], T]) -> T:
        """What ``decide`` gives, after one commit of all that it did; where it raises, of nothing.

        It runs in the writer's thread and must not wait.

        Raises:
            StorageUnavailable: nothing was stored.
        """
        now = self._clock()
        return await self._db.write(
            lambda connection: decide(HeldConversation(connection, conversation_id, now))
        )


def _messages(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Message]:
    statement = rows.MESSAGES + "WHERE m.id = ?"
    found = (connection.execute(statement, (one,)).fetchone() for one in sorted(ids))
    return [rows.message(row) for row in found if row is not None]


def _answer_id(connection: sqlite3.Connection, conversation_id: int) -> int:
    row = connection.execute(
        """SELECT max(message_id) FROM outbox WHERE conversation_id = ?
           AND author IN ('agent', 'bot') AND state != 'cancelled'""",
        (conversation_id,),
    ).fetchone()
    return int(row[0] or 0)
