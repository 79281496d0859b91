"""Who of the web chat's visitors is which customer of the site. Reads only."""

from __future__ import annotations

import sqlite3

from bot.store.events import Events


async def chat_names(events: Events) -> dict[str, str]:
    """The site's own name of each visitor of the web chat who signed in; the newest counts."""

    def find(connection: sqlite3.Connection) -> dict[str, str]:
        return dict(
            connection.execute(
                """SELECT chat, customer FROM identities WHERE chat != '' AND customer != ''
                   ORDER BY changed_at, visitor"""
            ).fetchall()
        )

    return await events.db.read(find)
