"""Customers as an admin looks for them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from bot.domain import Customer, Page
from bot.errors import NotFound
from bot.store import rows
from bot.store.part import PER_PAGE, Part
from bot.store.search import match


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """A customer with what they wrote so far."""

    customer: Customer
    conversations: int
    last_message_at: float | None


class Customers(Part):
    """Reads only."""

    async def customer(self, reference: str) -> Customer:
        """The customer of a public id, or of ``channel:external id``.

        Raises:
            NotFound: there is none.
        """

        def find(connection: sqlite3.Connection) -> Customer:
            channel, _, external = reference.partition(":")
            row = connection.execute(
                """SELECT * FROM customers WHERE public_id = ?
                   OR (channel = ? AND external_id = ?)""",
                (reference, channel, external),
            ).fetchone()
            if row is None:
                raise NotFound(
                    f"There is no customer '{reference}'.",
                    remedy="Give the id of the Customers page, or CHANNEL:ID.",
                )
            return rows.customer(row)

        return await self._db.read(find)

    async def customers(self, query: str = "", page: int = 1, per_page: int = PER_PAGE) -> Page:
        """Customers whose name holds the words of ``query``, or whose id it is; newest first."""
        params = {"terms": match(query), "query": query.strip()}
        by_name = "k.id IN (SELECT rowid FROM customers_fts WHERE customers_fts MATCH :terms)"
        where = f"""(:query = '' OR k.public_id = :query OR k.external_id = :query
            {f"OR {by_name}" if params["terms"] else ""})"""

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM customers k WHERE {where}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                # Sorted by ids alone: names are read of those that are shown.
                f"""SELECT k.*, talks, last_at FROM (
                        SELECT k.id AS id, count(c.id) AS talks, max(c.last_message_at) AS last_at
                        FROM customers k LEFT JOIN conversations c ON c.customer_id = k.id
                        WHERE {where} GROUP BY k.id ORDER BY last_at DESC, k.id DESC
                        LIMIT :limit OFFSET :first) found
                    JOIN customers k ON k.id = found.id ORDER BY last_at DESC, k.id DESC""",  # noqa: S608
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            items = [
                KnownCustomer(rows.customer(row), row["talks"], row["last_at"]) for row in found
            ]
            return Page(items, total, max(1, page), per_page)

        return await self._db.read(find)
