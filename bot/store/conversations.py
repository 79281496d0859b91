"""Conversations as the desk reads them; receiving, acting, replying, search join in here."""

from __future__ import annotations

import sqlite3
from typing import Literal

from bot.domain import Conversation, Customer, Message, Page
from bot.errors import NotFound
from bot.store import rows
from bot.store.acting import Acting
from bot.store.flags import FLAGGED
from bot.store.part import PER_PAGE
from bot.store.receiving import Receiving
from bot.store.records import ConversationEvent, MessageEdit
from bot.store.replying import Replying
from bot.store.search import Searching, hits
from bot.store.settling import Settling
from bot.store.texts import dump

View = Literal["mine", "unassigned", "all", "flagged", "snoozed", "closed", "uncertain"]

# What failed for good in a closed conversation needs nobody any more.
_TROUBLE = """(SELECT o.conversation_id FROM outbox o JOIN conversations x ON x.id =
    o.conversation_id
    WHERE o.state IN ('uncertain', 'failed') AND (o.state = 'uncertain' OR x.state != 'closed'))"""

# Condition and order of each view; ``:agent`` is the looking agent. Who waits longest stands first;
# what nobody waits for, and what is over, goes by its last message.
_WAITING = "c.waiting_since IS NULL, c.waiting_since, c.last_message_at DESC, c.id"
_VIEWS: dict[str, tuple[str, str]] = {
    "mine": ("c.assigned_agent_id = :agent AND c.state IN ('open', 'taken')", _WAITING),
    "unassigned": ("c.assigned_agent_id IS NULL AND c.state IN ('open', 'taken')", _WAITING),
    "all": ("c.state IN ('bot', 'open', 'taken')", _WAITING),
    "flagged": (f"c.state IN ('bot', 'open', 'taken') AND {FLAGGED}", _WAITING),
    "snoozed": ("c.state = 'snoozed'", "c.snoozed_until, c.id"),
    "closed": ("c.state = 'closed'", "c.last_message_at DESC, c.id DESC"),
    "uncertain": (f"c.id IN {_TROUBLE}", "c.last_message_at DESC, c.id DESC"),
}


class Conversations(Receiving, Settling, Acting, Replying, Searching):
    """Everything about conversations and their messages."""

    async def get(self, conversation_id: int) -> Conversation:
        """The conversation.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(
            lambda connection: rows.load_conversation(connection, conversation_id)
        )

    async def by_public_id(self, public_id: str) -> Conversation:
        """The conversation with the id that customers see.

        Raises:
            NotFound: there is none.
        """

        def find(connection: sqlite3.Connection) -> Conversation:
            row = connection.execute(
                rows.CONVERSATIONS + "WHERE c.public_id = ?", (public_id,)
            ).fetchone()
            if row is None:
                raise NotFound("There is no such conversation.")
            return rows.conversation(row)

        return await self._db.read(find)

    async def customer(self, customer_id: int) -> Customer:
        """The customer.

        Raises:
            NotFound: there is none of this id.
        """

        def find(connection: sqlite3.Connection) -> Customer:
            row = connection.execute(
                "SELECT * FROM customers WHERE id = ?", (customer_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"There is no customer {customer_id}.")
            return rows.customer(row)

        return await self._db.read(find)

    async def find_customer(self, channel: str, external_id: str) -> Customer | None:
        """The customer of that name on that channel, or None."""

        def find(connection: sqlite3.Connection) -> Customer | None:
            row = connection.execute(
                "SELECT * FROM customers WHERE channel = ? AND external_id = ?",
                (channel, external_id),
            ).fetchone()
            return None if row is None else rows.customer(row)

        return await self._db.read(find)

    async def message(self, message_id: int) -> Message:
        """The message.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: rows.load_message(connection, message_id))

    async def messages(
        self, conversation_id: int, *, after_id: int = 0, limit: int = 200
    ) -> list[Message]:
        """Messages and notes in order, oldest first.

        With ``after_id`` 0 these are the newest ``limit``; otherwise the first ``limit`` after
        that id. Undone replies are among them with ``delivery`` cancelled.
        """

        def find(connection: sqlite3.Connection) -> list[Message]:
            order = "ASC" if after_id else "DESC"
            found = connection.execute(
                rows.MESSAGES
                + f"WHERE m.conversation_id = ? AND m.id > ? ORDER BY m.id {order} LIMIT ?",
                (conversation_id, after_id, limit),
            ).fetchall()
            listed = [rows.message(row) for row in found]
            return listed if after_id else listed[::-1]

        return await self._db.read(find)

    async def edits(self, message_id: int) -> list[MessageEdit]:
        """Former texts of a message, oldest first."""

        def find(connection: sqlite3.Connection) -> list[MessageEdit]:
            found = connection.execute(
                """SELECT message_id, text, replaced_at FROM message_edits WHERE message_id = ?
                    ORDER BY id""",
                (message_id,),
            )
            return [MessageEdit(*row) for row in found]

        return await self._db.read(find)

    async def events(self, conversation_id: int) -> list[ConversationEvent]:
        """Changes of state and assignee, oldest first."""

        def find(connection: sqlite3.Connection) -> list[ConversationEvent]:
            found = connection.execute(
                """SELECT id, conversation_id, action, from_state, to_state, agent_id, at
                   FROM conversation_events WHERE conversation_id = ? ORDER BY id""",
                (conversation_id,),
            )
            return [ConversationEvent(*row) for row in found]

        return await self._db.read(find)

    async def queue(
        self,
        view: View,
        agent_id: int | None,
        *,
        page: int = 1,
        per_page: int = PER_PAGE,
        query: str = "",
    ) -> Page:
        """One view of the desk.

        ``mine`` and ``unassigned`` hold what waits for people; ``all`` adds what the bot has,
        without snoozed and closed. Longest waiting first there. ``flagged`` holds those of ``all``
        whose customer carries a flag, ``uncertain`` conversations with a delivery that needs a
        person's eye. ``query`` keeps those in which all its words
        were said.
        """
        condition, order = _VIEWS[view]

        def find(connection: sqlite3.Connection) -> Page:
            where, params = f"WHERE {condition}", dict[str, int | str | None](agent=agent_id)
            if query.strip():
                # One value, not thousands in the text: each connection keeps its statements.
                where += " AND c.id IN (SELECT value FROM json_each(:hits))"
                params["hits"] = dump(hits(connection, query))
            total = connection.execute(
                f"SELECT count(*) FROM conversations c {where}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                f"{rows.CONVERSATIONS} {where} ORDER BY {order} LIMIT :limit OFFSET :first",
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            ).fetchall()
            return Page([rows.conversation(row) for row in found], total, max(1, page), per_page)

        return await self._db.read(find)

    async def counts(self, agent_id: int | None) -> dict[str, int]:
        """Number of conversations in each view."""

        def count(connection: sqlite3.Connection) -> dict[str, int]:
            return {
                view: connection.execute(
                    f"SELECT count(*) FROM conversations c WHERE {condition}",  # noqa: S608
                    {"agent": agent_id},
                ).fetchone()[0]
                for view, (condition, _) in _VIEWS.items()
            }

        return await self._db.read(count)

    async def previous(
        self, customer_id: int, except_conversation_id: int | None
    ) -> list[Conversation]:
        """The customer's other conversations, newest first, 50 at most."""

        def find(connection: sqlite3.Connection) -> list[Conversation]:
            found = connection.execute(
                rows.CONVERSATIONS
                + "WHERE c.customer_id = ? AND c.id != ? ORDER BY c.id DESC LIMIT 50",
                (customer_id, except_conversation_id or 0),
            ).fetchall()
            return [rows.conversation(row) for row in found]

        return await self._db.read(find)

    async def due_snoozed(self, now: float) -> list[int]:
        """Ids of conversations whose time to wake has come."""

        def find(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                """SELECT id FROM conversations WHERE state = 'snoozed' AND snoozed_until <= ?
                   ORDER BY snoozed_until""",
                (now,),
            )
            return [row[0] for row in found]

        return await self._db.read(find)
