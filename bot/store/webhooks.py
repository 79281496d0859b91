"""Webhooks: who outside is told what, and what became of each telling."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bot.domain import Page
from bot.errors import BadRequest, NotFound
from bot.store.part import PER_PAGE, public_id
from bot.store.texts import clean, dump
from bot.store.webhook_outbox import Attempt, WebhookOutbox, body_of

# Every event that a webhook may ask for; each has a trigger in ``schema_operations`` or
# ``flags_schema``.
EVENTS = (
    "conversation.created",
    "conversation.handed_over",
    "conversation.resolved",
    "message.created",
    "message.failed",
    "verdict.given",
    "article.changed",
    "model.promoted",
    "customer.flagged",
)
TEST = "webhook.test"
FORMER_S = 86_400.0  # for so long the former secret signs as well after a change


@dataclass(frozen=True, slots=True)
class Webhook:
    """One subscription; its secret is shown once.

    Attributes:
        counts: deliveries by state.
        last_error: of the newest delivery that ended or was tried; empty when it arrived.
    """

    id: int
    name: str
    url: str
    events: tuple[str, ...]
    active: bool
    created_at: float
    counts: Mapping[str, int]
    last_at: float | None
    last_status: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one webhook; ``body`` is what is sent."""

    id: int
    public_id: str
    webhook_id: int
    event: str
    state: str
    attempts: int
    created_at: float
    next_at: float
    finished_at: float | None
    status: int | None
    error: str
    body: str


class Webhooks(WebhookOutbox):
    """Subscriptions and the pages about them; the queue joins in."""

    async def list(self) -> list[Webhook]:
        """Every webhook, oldest first."""

        def find(connection: sqlite3.Connection) -> list[Webhook]:
            found = connection.execute("SELECT * FROM webhooks ORDER BY id").fetchall()
            return [_webhook(connection, row) for row in found]

        return await self._db.read(find)

    async def get(self, webhook_id: int) -> Webhook:
        """The webhook.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: _load(connection, webhook_id))

    async def create(self, name: str, url: str, events: Sequence[str]) -> tuple[int, str]:
        """Id and secret of a new webhook; the secret is never shown again.

        Raises:
            BadRequest: it names no event, or one that does not exist.
        """
        wanted, secret, now = _events(events), _new_secret(), self._clock()

        def add(connection: sqlite3.Connection) -> int:
            cursor = connection.execute(
                """INSERT INTO webhooks (name, url, events, secret, created_at)
                   VALUES (?, ?, ?, ?, ?)""",
                (clean(name).strip(), clean(url), wanted, secret, now),
            )
            return int(cursor.lastrowid or 0)

        return await self._db.write(add), secret

    async def change(self, webhook_id: int, name: str, url: str, events: Sequence[str]) -> None:
        """Another name, address or choice of events; what waits goes to the new address.

        Raises:
            BadRequest: it names no event, or one that does not exist.
            NotFound: there is no such webhook.
        """
        await self._set(
            webhook_id,
            "name = ?, url = ?, events = ?",
            clean(name).strip(),
            clean(url),
            _events(events),
        )

    async def pause(self, webhook_id: int, *, active: bool) -> None:
        """Stop: nothing new is queued and what waits stays. Or go on.

        Raises:
            NotFound: there is no such webhook.
        """
        await self._set(webhook_id, "active = ?", active)

    async def renew_secret(self, webhook_id: int) -> str:
        """A new secret; for a day everything is signed with the former one as well.

        Raises:
            NotFound: there is no such webhook.
        """
        secret = _new_secret()
        await self._set(
            webhook_id,
            "former_secret = secret, secret = ?, former_until = ?",
            secret,
            self._clock() + FORMER_S,
        )
        return secret

    async def remove(self, webhook_id: int) -> None:
        """Forget the webhook with all its deliveries.

        Raises:
            NotFound: there is no such webhook.
        """

        def drop(connection: sqlite3.Connection) -> None:
            _load(connection, webhook_id)
            connection.execute("DELETE FROM webhook_deliveries WHERE webhook_id = ?", (webhook_id,))
            connection.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

        await self._db.write(drop)

    async def test(self, webhook_id: int, actor: str) -> int:
        """Queue a test event; the delivery's id.

        Raises:
            NotFound: there is no such webhook.
        """
        now = self._clock()

        def add(connection: sqlite3.Connection) -> int:
            _load(connection, webhook_id)
            cursor = connection.execute(
                """INSERT INTO webhook_deliveries (public_id, webhook_id, event, data, created_at)
                   VALUES (?, ?, ?, ?, ?)""",
                (public_id(), webhook_id, TEST, dump({"asked_by": clean(actor)}), now),
            )
            return int(cursor.lastrowid or 0)

        return await self._db.write(add)

    async def deliveries(
        self,
        webhook_id: int,
        *,
        state: str = "",
        event: str = "",
        page: int = 1,
        per_page: int = PER_PAGE,
    ) -> Page:
        """Deliveries of the webhook, newest first; empty filters let all pass."""
        condition = "webhook_id = :webhook AND :state IN ('', state) AND :event IN ('', event)"
        params = {"webhook": webhook_id, "state": state, "event": event}

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM webhook_deliveries WHERE {condition}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                f"""SELECT * FROM webhook_deliveries WHERE {condition}
                    ORDER BY id DESC LIMIT :limit OFFSET :first""",  # noqa: S608
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            return Page([_delivery(row) for row in found], total, max(1, page), per_page)

        return await self._db.read(find)

    async def delivery(self, delivery_id: int) -> tuple[WebhookDelivery, Sequence[Attempt]]:
        """The delivery and its tries, newest first.

        Raises:
            NotFound: there is none of this id.
        """

        def find(
            connection: sqlite3.Connection,
        ) -> tuple[WebhookDelivery, Sequence[Attempt]]:
            row = connection.execute(
                "SELECT * FROM webhook_deliveries WHERE id = ?", (delivery_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}.")
            tries = connection.execute(
                """SELECT at, status, error, elapsed_ms, response FROM webhook_attempts
                   WHERE delivery_id = ? ORDER BY id DESC LIMIT 50""",
                (delivery_id,),
            )
            return _delivery(row), [Attempt(*one) for one in tries]

        return await self._db.read(find)

    async def _set(self, webhook_id: int, change: str, *values: object) -> None:
        def update(connection: sqlite3.Connection) -> None:
            sql = f"UPDATE webhooks SET {change} WHERE id = ?"  # noqa: S608  ``change`` is our own
            if not connection.execute(sql, (*values, webhook_id)).rowcount:
                raise NotFound(f"There is no webhook {webhook_id}.")

        await self._db.write(update)


def _events(events: Sequence[str]) -> str:
    unknown = sorted(set(events) - set(EVENTS))
    if unknown or not events:
        raise BadRequest(
            f"There is no event '{unknown[0]}'." if unknown else "A webhook needs an event."
        )
    return dump([event for event in EVENTS if event in events])


def _new_secret() -> str:
    return "whsec_" + secrets.token_urlsafe(32)


def _load(connection: sqlite3.Connection, webhook_id: int) -> Webhook:
    row = connection.execute("SELECT * FROM webhooks WHERE id = ?", (webhook_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    return _webhook(connection, row)


def _webhook(connection: sqlite3.Connection, row: sqlite3.Row) -> Webhook:
    counts = dict(
        connection.execute(
            "SELECT state, count(*) FROM webhook_deliveries WHERE webhook_id = ? GROUP BY state",
            (row["id"],),
        ).fetchall()
    )
    last = connection.execute(
        """SELECT a.at, a.status, a.error FROM webhook_attempts a
           JOIN webhook_deliveries d ON d.id = a.delivery_id WHERE d.webhook_id = ?
           ORDER BY a.id DESC LIMIT 1""",
        (row["id"],),
    ).fetchone()
    return Webhook(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        events=tuple(msgspec.json.decode(row["events"], type=list[str])),
        active=bool(row["active"]),
        created_at=row["created_at"],
        counts=counts,
        last_at=last["at"] if last else None,
        last_status=last["status"] if last else None,
        last_error=last["error"] if last else "",
    )


def _delivery(row: sqlite3.Row) -> WebhookDelivery:
    return WebhookDelivery(
        id=row["id"],
        public_id=row["public_id"],
        webhook_id=row["webhook_id"],
        event=row["event"],
        state=row["state"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        next_at=row["next_at"],
        finished_at=row["finished_at"],
        status=row["status"],
        error=row["error"],
        body=body_of(row).decode(),
    )
