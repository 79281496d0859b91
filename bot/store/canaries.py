"""Questions that must keep their answer, chosen by admins."""

from __future__ import annotations

import sqlite3
from typing import Any

from bot.errors import BadRequest, NotFound
from bot.store.part import Part
from bot.store.records import Canary
from bot.store.texts import clean


class Canaries(Part):
    """The set that each trained model is asked."""

    async def all(self) -> list[Canary]:
        """All of them, oldest first."""

        def find(connection: sqlite3.Connection) -> list[Canary]:
            found = connection.execute("SELECT * FROM canaries ORDER BY id")
            return [Canary(**dict(row)) for row in found]

        return await self._db.read(find)

    async def add(
        self,
        question: str,
        *,
        answer_id: int | None = None,
        category: str = "",
        language: str = "",
        actor: str = "",
    ) -> Canary:
        """Keep a question with its article, its category or both; the same question is replaced.

        Raises:
            BadRequest: the question is empty, or there is nothing to keep.
            NotFound: there is no such article.
        """
        asked = clean(question).strip()
        if not asked or (answer_id is None and not category):
            raise BadRequest("A canary needs a question and an answer or a category to keep.")
        now = self._clock()

        def put(connection: sqlite3.Connection) -> Canary:
            if answer_id is not None and not _lives(connection, answer_id):
                raise NotFound(f"There is no article {answer_id}.")
            connection.execute(
                """INSERT INTO canaries (question, answer_id, category, language, created_at, actor)
                   VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (question) DO UPDATE SET
                   answer_id = excluded.answer_id, category = excluded.category,
                   language = excluded.language, created_at = excluded.created_at,
                   actor = excluded.actor""",
                (asked, answer_id, clean(category), language, now, clean(actor)),
            )
            row: Any = connection.execute(
                "SELECT * FROM canaries WHERE question = ?", (asked,)
            ).fetchone()
            return Canary(**dict(row))

        return await self._db.write(put)

    async def remove(self, canary_id: int) -> None:
        """Forget one.

        Raises:
            NotFound: there is none of this id.
        """

        def drop(connection: sqlite3.Connection) -> None:
            if not connection.execute("DELETE FROM canaries WHERE id = ?", (canary_id,)).rowcount:
                raise NotFound(f"There is no canary {canary_id}.")

        await self._db.write(drop)


def _lives(connection: sqlite3.Connection, article_id: int) -> bool:
    return (
        connection.execute(
            "SELECT 1 FROM articles WHERE id = ? AND removed_at IS NULL", (article_id,)
        ).fetchone()
        is not None
    )
