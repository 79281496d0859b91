"""Messages on their way out: held, sent once, and never repeated by themselves after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from bot.domain import Author, ConversationState, Delivery, OutboxRow
from bot.errors import Conflict, NotFound
from bot.handover import bot_may_speak
from bot.ports import BLOCKED
from bot.store import rows, waits
from bot.store.part import Part
from bot.store.replying import cancel

# The first unsent row of each conversation; anything behind it waits for its turn.
_HEADS = """o.state IN ('held', 'queued') AND NOT EXISTS (
    SELECT 1 FROM outbox p WHERE p.conversation_id = o.conversation_id AND p.id < o.id
    AND p.state IN ('held', 'queued', 'sending'))"""


class Outbox(Part):
    """The queue that delivery empties."""

    async def due(self, now: float, limit: int = 100) -> list[OutboxRow]:
        """The next row of each conversation whose time has come, oldest first.

        A row held past its undo window is due. A row that waits for its turn to be tried again
        holds back what comes after it in the same conversation.
        """

        def find(connection: sqlite3.Connection) -> list[OutboxRow]:
            found = connection.execute(
                rows.OUTBOX
                + f"WHERE o.not_before <= ? AND {_HEADS} ORDER BY o.not_before, o.id LIMIT ?",
                (now, limit),
            )
            return [rows.outbox_row(row) for row in found]

        return await self._db.read(find)

    async def start(self, ids: Sequence[int], now: float) -> list[OutboxRow]:
        """The rows that may be sent now, marked SENDING and committed before anything leaves.

        Left out: rows undone meanwhile or not due, and rows of the bot whose conversation is no
        longer the bot's; those become CANCELLED in the same commit and the customer waits again.
        Rows to a customer who blocked the bot become FAILED with the reason ``blocked``.
        """

        def mark(connection: sqlite3.Connection) -> list[OutboxRow]:
            started = []
            for outbox_id in ids:
                row = connection.execute(
                    """SELECT o.author, c.state, k.blocked FROM outbox o
                       JOIN conversations c ON c.id = o.conversation_id
                       JOIN customers k ON k.id = c.customer_id
                       WHERE o.id = ? AND o.state IN ('held', 'queued') AND o.not_before <= ?""",
                    (outbox_id, now),
                ).fetchone()
                if row is None:
                    continue
                if row["author"] == Author.BOT and not bot_may_speak(
                    ConversationState(row["state"])
                ):
                    cancel(connection, outbox_id, now)
                    continue
                if row["blocked"]:
                    connection.execute(
                        """UPDATE outbox SET state = 'failed', error = ?, updated_at = ?
                           WHERE id = ?""",
                        (BLOCKED, now, outbox_id),
                    )
                    continue
                connection.execute(
                    """UPDATE outbox SET state = 'sending', attempts = attempts + 1, error = NULL,
                       updated_at = ? WHERE id = ?""",
                    (now, outbox_id),
                )
                started.append(_load(connection, outbox_id))
            return started

        return await self._db.write(mark)

    async def get(self, outbox_id: int) -> OutboxRow:
        """The row.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: _load(connection, outbox_id))

    async def finish(self, outbox_id: int, external_id: str | None) -> None:
        """The channel took it, under ``external_id``; only a row in flight changes."""
        await self.finish_together({outbox_id: external_id})

    async def finish_together(self, taken: Mapping[int, str | None]) -> None:
        """Channels took these, each under its external id; only rows in flight change."""
        now = self._clock()

        def mark(connection: sqlite3.Connection) -> None:
            for outbox_id, external_id in taken.items():
                row = connection.execute(
                    """UPDATE outbox SET state = 'sent', error = NULL, updated_at = ?
                       WHERE id = ? AND state IN ('sending', 'uncertain') RETURNING message_id""",
                    (now, outbox_id),
                ).fetchone()
                if row is not None and external_id is not None:
                    connection.execute(
                        "UPDATE messages SET external_id = ? WHERE id = ?",
                        (external_id, row["message_id"]),
                    )

        await self._db.write(mark)

    async def fail(
        self, outbox_id: int, reason: str, final: bool, retry_at: float | None = None
    ) -> None:
        """It did not arrive: FAILED when ``final``, else QUEUED again until ``retry_at``.

        A final ``blocked`` marks the customer in the same commit, until they write again.
        """
        now = self._clock()
        state = Delivery.FAILED if final else Delivery.QUEUED

        def mark(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                """UPDATE outbox SET state = ?, error = ?, not_before = ?, updated_at = ?
                   WHERE id = ? AND state = 'sending' RETURNING conversation_id""",
                (str(state), reason, now if retry_at is None else retry_at, now, outbox_id),
            ).fetchone()
            if row is not None and final and reason == BLOCKED:
                set_blocked(connection, row["conversation_id"], blocked=True)

        await self._db.write(mark)

    async def uncertain(self, outbox_id: int, reason: str = "no-answer") -> None:
        """It left and no answer came: shown to a person, never repeated by itself."""
        await self._set(
            """UPDATE outbox SET state = 'uncertain', error = ?, updated_at = ? WHERE id = ? AND
                state = 'sending'""",
            (reason, self._clock(), outbox_id),
        )

    async def recover(self) -> int:
        """Number of rows in flight at the last crash, now UNCERTAIN; call before sending.

        What waits for a time that a clock which was set back would keep far away waits from now.
        """
        now = self._clock()

        def mark(connection: sqlite3.Connection) -> int:
            waits.settle(connection, now)
            return connection.execute(
                """UPDATE outbox SET state = 'uncertain', error = 'crash', updated_at = ?
                   WHERE state = 'sending'""",
                (now,),
            ).rowcount

        return await self._db.write(mark)

    async def recover_exactly_once(self, channel: str) -> int:
        """Number of rows of ``channel`` in flight at the last crash, QUEUED again.

        Only for channels where sending the same outbox id twice cannot repeat the message. Works
        before and after ``recover``: rows that a crash made UNCERTAIN are taken as well.
        """
        now = self._clock()
        return await self._set(
            """UPDATE outbox SET state = 'queued', error = NULL, not_before = ?, updated_at = ?
               WHERE channel = ? AND (state = 'sending' OR (state = 'uncertain' AND error =
               'crash'))""",
            (now, now, channel),
        )

    async def resend(self, outbox_id: int) -> None:
        """Send an UNCERTAIN or FAILED row again, because a person said so.

        A customer counts as blocking no more until the channel says so again: who lifts a block
        in the messenger need not write to be reached.

        Raises:
            Conflict: the row is in no such state.
            NotFound: there is no such row.
        """
        now = self._clock()
        await self._decide(
            outbox_id,
            "state = 'queued', error = NULL, not_before = ?, updated_at = ?",
            (now, now),
            unblock=True,
        )

    async def mark_delivered(self, outbox_id: int) -> None:
        """A person says that an UNCERTAIN (or FAILED) row has arrived: SENT.

        Raises:
            Conflict: the row is in no such state.
            NotFound: there is no such row.
        """
        await self._decide(
            outbox_id, "state = 'sent', error = NULL, updated_at = ?", (self._clock(),)
        )

    async def dismiss(self, outbox_id: int) -> None:
        """A person gives an UNCERTAIN or FAILED row up: CANCELLED.

        Raises:
            Conflict: the row is in no such state.
            NotFound: there is no such row.
        """
        await self._decide(outbox_id, "state = 'cancelled', updated_at = ?", (self._clock(),))

    async def mark_seen(self, conversation_id: int, message_id: int) -> list[int]:
        """Outbox ids now READ: what was SENT in the conversation up to that message."""
        now = self._clock()

        def mark(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                """UPDATE outbox SET state = 'read', updated_at = ?
                   WHERE conversation_id = ? AND +message_id <= ? AND state = 'sent' RETURNING
                   id""",
                (now, conversation_id, message_id),
            )
            return [row[0] for row in found.fetchall()]

        return await self._db.write(mark)

    async def next_due_at(self) -> float | None:
        """When the next row may leave; None when nothing waits. May lie in the past."""

        def find(connection: sqlite3.Connection) -> float | None:
            row = connection.execute(
                f"SELECT min(o.not_before) FROM outbox o WHERE {_HEADS}"  # noqa: S608
            ).fetchone()
            return None if row[0] is None else float(row[0])

        return await self._db.read(find)

    async def _set(self, sql: str, params: tuple[object, ...]) -> int:
        return await self._db.write(lambda connection: connection.execute(sql, params).rowcount)

    async def _decide(
        self, outbox_id: int, change: str, params: tuple[object, ...], *, unblock: bool = False
    ) -> None:
        def decide(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                f"UPDATE outbox SET {change} WHERE id = ? AND state IN ('uncertain', 'failed') "  # noqa: S608
                "RETURNING conversation_id",
                (*params, outbox_id),
            ).fetchone()
            if done is not None and unblock:
                set_blocked(connection, done["conversation_id"], blocked=False)
            if done is None:
                state = _load(connection, outbox_id).state
                raise Conflict(f"The message is '{state}'; there is nothing to decide.")

        await self._db.write(decide)


def _load(connection: sqlite3.Connection, outbox_id: int) -> OutboxRow:
    row = connection.execute(rows.OUTBOX + "WHERE o.id = ?", (outbox_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no outgoing message {outbox_id}.")
    return rows.outbox_row(row)


def set_blocked(connection: sqlite3.Connection, conversation_id: int, *, blocked: bool) -> None:
    """Note whether the customer of a conversation refuses our messages."""
    connection.execute(
        """UPDATE customers SET blocked = ? WHERE blocked != ?
           AND id = (SELECT customer_id FROM conversations WHERE id = ?)""",
        (blocked, blocked, conversation_id),
    )
