"""Items that can be recommended: what others told of, and pages that were seen on the site."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.store.part import Part

ItemKind = Literal["page", "article", "product"]
ItemSource = Literal["api", "views"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """One item.

    Attributes:
        id: its key in the index.
        external_id: what others call it.
        path: ``section/subsection/name``.
        renewable_s: seconds after which it may be offered to who bought or saw it; None: never.
        source: ``api`` where somebody told it, ``views`` where it was seen on the site.
    """

    id: int
    external_id: str
    kind: ItemKind
    title: str
    description: str = ""
    path: str = ""
    url: str = ""
    renewable_s: float | None = None
    source: ItemSource = "api"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items that are there, ids of those taken out by external id, heat by key, the last id."""

    items: Sequence[StoredItem]
    removed: Mapping[str, int]
    heat: Mapping[int, float]
    last_id: int


class Items(Part):
    """The catalogue beside the knowledge base."""

    async def load(self) -> Catalogue:
        """Everything that memory has to know."""

        def find(connection: sqlite3.Connection) -> Catalogue:
            rows = connection.execute("SELECT * FROM items ORDER BY id").fetchall()
            heat = connection.execute("SELECT key, heat FROM item_heat").fetchall()
            return Catalogue(
                [_item(row) for row in rows if row["removed_at"] is None],
                {row["external_id"]: row["id"] for row in rows if row["removed_at"] is not None},
                {row[0]: row[1] for row in heat},
                max((row["id"] for row in rows), default=0),
            )

        return await self._db.read(find)

    async def save(self, items: Sequence[StoredItem]) -> None:
        """Store items, each in place of the one of its id."""
        now = self._clock()

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                """INSERT INTO items (id, external_id, kind, title, description, path, url,
                     renewable_s, source, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)
                   ON CONFLICT (id) DO UPDATE SET kind = ?3, title = ?4, description = ?5,
                     path = ?6, url = ?7, renewable_s = ?8, source = ?9, updated_at = ?10,
                     removed_at = NULL""",
                [
                    (
                        one.id, one.external_id, one.kind, one.title, one.description, one.path,
                        one.url, one.renewable_s, one.source, now,
                    )
                    for one in items
                ],
            )  # fmt: skip

        await self._db.write(write)

    async def remove(self, item_id: int) -> None:
        """Take an item out; its row stays, so that it is not learnt from the site again."""
        now = self._clock()
        await self._db.write(
            lambda connection: (
                connection.execute(
                    "UPDATE items SET removed_at = ? WHERE id = ?", (now, item_id)
                ).rowcount
            )
        )

    async def save_heat(self, heat: Mapping[int, float]) -> None:
        """Keep how often items were looked at, see ``item_heat`` in the schema."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO item_heat VALUES (?, ?)", list(heat.items())
            )

        await self._db.write(write)


def _item(row: sqlite3.Row) -> StoredItem:
    return StoredItem(
        id=row["id"], external_id=row["external_id"], kind=row["kind"], title=row["title"],
        description=row["description"], path=row["path"], url=row["url"],
        renewable_s=row["renewable_s"], source=row["source"],
    )  # fmt: skip
