"""Webhook deliveries on their way out: due, in flight, delivered, or dead after too many tries."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from bot.errors import Conflict, NotFound
from bot.store.part import Part
from bot.store.texts import clean

WAITING, SENDING, DELIVERED, DEAD = "waiting", "sending", "delivered", "dead"
STATES = (WAITING, SENDING, DELIVERED, DEAD)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery as it leaves.

    Attributes:
        body: the bytes that are signed and sent, equal on every attempt.
        attempt: 1 for the first.
        secrets: the webhook's, and while it is being changed its former one.
    """

    id: int
    public_id: str
    webhook_id: int
    url: str
    event: str
    body: bytes
    attempt: int
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Parcel({self.id}, {self.event}, attempt {self.attempt})"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one try.

    Attributes:
        status: of the answer; None where none came.
        error: stable word, empty when delivered: ``timeout``, ``network``, ``address-refused``, ...
        response: beginning of the answer's body.
    """

    at: float
    status: int | None
    error: str
    elapsed_ms: int
    response: str


class WebhookOutbox(Part):
    """The queue that the sender empties."""

    async def due(self, now: float, limit: int, busy: Collection[int] = ()) -> list[int]:
        """Ids of deliveries whose time has come, oldest first; not those of ``busy`` webhooks."""
        skipped = ",".join(str(int(key)) for key in busy)

        def find(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                f"""SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
                    WHERE d.state = 'waiting' AND d.next_at <= ? AND w.active
                    AND w.id NOT IN ({skipped}) ORDER BY d.next_at, d.id LIMIT ?""",  # noqa: S608
                (now, limit),
            )
            return [row[0] for row in found]

        return await self._db.read(find)

    async def next_due_at(self) -> float | None:
        """When the next delivery may leave; None when nothing waits. May lie in the past."""

        def find(connection: sqlite3.Connection) -> float | None:
            row = connection.execute(
                """SELECT min(d.next_at) FROM webhook_deliveries d
                   JOIN webhooks w ON w.id = d.webhook_id WHERE d.state = 'waiting' AND w.active"""
            ).fetchone()
            return None if row[0] is None else float(row[0])

        return await self._db.read(find)

    async def begin(self, ids: Sequence[int]) -> list[Parcel]:
        """Those still waiting, marked as in flight and committed before anything leaves."""
        now = self._clock()

        def mark(connection: sqlite3.Connection) -> list[Parcel]:
            parcels = []
            for delivery_id in ids:
                done = connection.execute(
                    """UPDATE webhook_deliveries SET state = 'sending', attempts = attempts + 1
                       WHERE id = ? AND state = 'waiting'""",
                    (delivery_id,),
                ).rowcount
                if done:
                    parcels.append(_parcel(connection, delivery_id, now))
            return parcels

        return await self._db.write(mark)

    async def finish(self, delivery_id: int, attempt: Attempt, *, retry_at: float | None) -> None:
        """Note the try: delivered without an error, waiting until ``retry_at``, or dead.

        A delivery that was removed meanwhile is left alone.
        """
        state = DELIVERED if not attempt.error else DEAD if retry_at is None else WAITING

        def mark(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                """UPDATE webhook_deliveries SET state = ?, status = ?, error = ?, next_at = ?,
                   finished_at = ? WHERE id = ? AND state = 'sending'""",
                (
                    state,
                    attempt.status,
                    attempt.error,
                    retry_at or 0.0,
                    None if state == WAITING else attempt.at,
                    delivery_id,
                ),
            ).rowcount
            if done:
                connection.execute(
                    """INSERT INTO webhook_attempts
                       (delivery_id, at, status, error, elapsed_ms, response)
                       VALUES (?, ?, ?, ?, ?, ?)""",
                    (
                        delivery_id,
                        attempt.at,
                        attempt.status,
                        attempt.error,
                        attempt.elapsed_ms,
                        clean(attempt.response),
                    ),
                )

        await self._db.write(mark)

    async def recover(self) -> int:
        """Number of deliveries in flight at the last stop, waiting again.

        They may arrive twice, under one id: a receiver that keeps ids sees each once.
        """

        def mark(connection: sqlite3.Connection) -> int:
            return connection.execute(
                """UPDATE webhook_deliveries SET state = 'waiting', next_at = 0
                   WHERE state = 'sending'"""
            ).rowcount

        return await self._db.write(mark)

    async def replay(self, delivery_id: int) -> None:
        """Send a delivered or dead one again, under the same id and with all its tries.

        Raises:
            Conflict: it is on its way.
            NotFound: there is none of this id.
        """

        def mark(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "SELECT state FROM webhook_deliveries WHERE id = ?", (delivery_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}.")
            if row["state"] in {WAITING, SENDING}:
                raise Conflict("The delivery is on its way already.")
            _again(connection, "id = ?", delivery_id)

        await self._db.write(mark)

    async def replay_dead(self, webhook_id: int) -> int:
        """Number of dead deliveries of the webhook that are sent again."""
        return await self._db.write(
            lambda connection: _again(connection, "webhook_id = ? AND state = 'dead'", webhook_id)
        )

    async def prune(self, before: float) -> int:
        """Forget deliveries that ended before that time; how many."""

        def drop(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM webhook_deliveries WHERE finished_at < ?", (before,)
            ).rowcount

        return await self._db.write(drop)


def _again(connection: sqlite3.Connection, which: str, key: int) -> int:
    return connection.execute(
        f"""UPDATE webhook_deliveries SET state = 'waiting', attempts = 0, next_at = 0,
            finished_at = NULL WHERE {which}""",  # noqa: S608  ``which`` is our own
        (key,),
    ).rowcount


def _parcel(connection: sqlite3.Connection, delivery_id: int, now: float) -> Parcel:
    row = connection.execute(
        """SELECT d.id, d.public_id, d.webhook_id, d.event, d.data, d.created_at, d.attempts, w.url,
           w.secret, w.former_secret, w.former_until
           FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id WHERE d.id = ?""",
        (delivery_id,),
    ).fetchone()
    former = row["former_secret"] if (row["former_until"] or 0.0) > now else None
    return Parcel(
        id=row["id"],
        public_id=row["public_id"],
        webhook_id=row["webhook_id"],
        url=row["url"],
        event=row["event"],
        body=body_of(row),
        attempt=row["attempts"],
        secrets=(row["secret"], former) if former else (row["secret"],),
    )


def body_of(row: sqlite3.Row) -> bytes:
    """The JSON that is sent for a row of ``webhook_deliveries``."""
    return msgspec.json.encode(
        {
            "id": row["public_id"],
            "event": row["event"],
            "sequence": row["id"],
            "created_at": row["created_at"],
            "data": msgspec.Raw(row["data"].encode()),
        }
    )
