"""The search tables: whether they are sound, and how they are made anew from the texts.

They say nothing that the texts do not say, so damage in them is repaired, not restored.
"""

from __future__ import annotations

import sqlite3

from bot.store.schema import KNOWLEDGE, SEARCH
from bot.store.texts import fold_yo

TABLES = ("messages_fts", "customers_fts", "articles_fts")
_TEXTS = {
    "messages_fts": ("text", "SELECT id, text FROM messages"),
    "customers_fts": ("name", "SELECT id, name FROM customers"),
    "articles_fts": (
        "title, text, questions",
        """SELECT id, title, text, coalesce((SELECT group_concat(q.text, char(10)) FROM questions q
           WHERE q.article_id = a.id), '') FROM articles a""",
    ),
}


def unsound(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Search tables whose own check fails.

    Args:
        connection: one that may write, as FTS5's check is a statement that could; nothing is
            written.
    """
    found = []
    for table in TABLES:
        try:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")  # noqa: S608
        except sqlite3.DatabaseError:
            found.append(table)
    return tuple(found)


def renew(connection: sqlite3.Connection) -> None:
    """Make all search tables anew, in the caller's transaction."""
    for table in TABLES:
        columns, texts = _TEXTS[table]
        connection.execute(f"DROP TABLE {table}")
        connection.execute(next(one for one in (*SEARCH, *KNOWLEDGE) if f"TABLE {table} " in one))
        places = ", ".join("?" * (2 + columns.count(",")))
        connection.executemany(
            f"INSERT INTO {table} (rowid, {columns}) VALUES ({places})",  # noqa: S608
            ((row[0], *map(fold_yo, row[1:])) for row in connection.execute(texts)),
        )
