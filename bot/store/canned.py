"""Canned replies: snippets that agents insert by name."""

from __future__ import annotations

import sqlite3

from bot.errors import BadRequest, NotFound
from bot.store.part import Part
from bot.store.records import CannedReply
from bot.store.texts import clean


class Canned(Part):
    """Snippets, unique by name and language."""

    async def canned(self, language: str = "") -> list[CannedReply]:
        """Snippets by name, of one language if given."""

        def find(connection: sqlite3.Connection) -> list[CannedReply]:
            found = connection.execute(
                "SELECT * FROM canned WHERE ? IN ('', language) ORDER BY name, language",
                (language,),
            )
            return [CannedReply(*row) for row in found]

        return await self._db.read(find)

    async def save_canned(self, name: str, text: str, language: str = "") -> CannedReply:
        """The snippet, replacing one of the same name and language.

        Raises:
            BadRequest: name or text is empty.
        """
        name, text = clean(name).strip(), clean(text).strip()
        if not name or not text:
            raise BadRequest("A snippet needs a name and a text.")
        now = self._clock()

        def save(connection: sqlite3.Connection) -> CannedReply:
            row = connection.execute(
                """INSERT INTO canned (name, text, language, updated_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (name, language) DO UPDATE SET text = excluded.text,
                   updated_at = excluded.updated_at RETURNING *""",
                (name, text, language, now),
            ).fetchone()
            return CannedReply(*row)

        return await self._db.write(save)

    async def remove_canned(self, canned_id: int) -> None:
        """Forget the snippet.

        Raises:
            NotFound: there is none of this id.
        """

        def drop(connection: sqlite3.Connection) -> None:
            if not connection.execute("DELETE FROM canned WHERE id = ?", (canned_id,)).rowcount:
                raise NotFound(f"There is no snippet {canned_id}.")

        await self._db.write(drop)
