"""Writing one article: row, questions, search row, history and revision in one step."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import Article
from bot.errors import NotFound
from bot.store import rows
from bot.store.feedback import counts_of
from bot.store.texts import answer_key, article_digest, clean, dump, fold_yo

_REVISION = "knowledge_revision"
# An IN list of this many ids stays far below SQLite's longest statement.
_SLICE = 5_000


@dataclass(frozen=True, slots=True)
class Content:
    """What a person writes of an article, made safe and stripped."""

    title: str
    text: str
    category: str
    language: str
    questions: tuple[str, ...]


def content(
    title: str, text: str, category: str, language: str, questions: Sequence[str]
) -> Content:
    """The fields made safe, stripped, each question once and none empty."""
    stripped = (clean(question).strip() for question in questions)
    return Content(
        title=clean(title).strip(),
        text=clean(text).strip(),
        category=clean(category).strip(),
        language=clean(language).strip(),
        questions=tuple(dict.fromkeys(question for question in stripped if question)),
    )


def load_articles(connection: sqlite3.Connection, found: Sequence[sqlite3.Row]) -> list[Article]:
    """Rows of ``articles`` with their questions and verdict counts."""
    loaded: list[Article] = []
    for first in range(0, len(found), _SLICE):
        part = found[first : first + _SLICE]
        keys = [row["id"] for row in part]
        questions: dict[int, list[str]] = {}
        ids = ",".join(map(str, keys))
        for article_id, text in connection.execute(
            f"SELECT article_id, text FROM questions WHERE article_id IN ({ids}) ORDER BY id"  # noqa: S608
        ):
            questions.setdefault(article_id, []).append(text)
        counts = counts_of(connection, keys)
        loaded += [
            rows.article(row, questions.get(row["id"], ()), counts.get(row["id"], {}))
            for row in part
        ]
    return loaded


def load_article(connection: sqlite3.Connection, article_id: int) -> Article:
    """The article, removed or not.

    Raises:
        NotFound: there is none of this id.
    """
    found = connection.execute("SELECT * FROM articles WHERE id = ?", (article_id,)).fetchall()
    if not found:
        raise NotFound(f"There is no article {article_id}.")
    return load_articles(connection, found)[0]


def write_article(
    connection: sqlite3.Connection,
    article_id: int | None,
    written: Content,
    now: float,
    *,
    actor: str,
    action: str,
) -> int:
    """Id of the article, new with None; its history gains the new form."""
    signature = article_digest(
        written.title, written.text, written.category, written.language, written.questions
    )
    columns = (
        answer_key(written.text),
        written.title,
        written.text,
        written.category,
        written.language,
        now,
        signature,
    )
    if article_id is None:
        cursor = connection.execute(
            """INSERT INTO articles (key, title, text, category, language, updated_at, digest,
                created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (*columns, now),
        )
        article_id = int(cursor.lastrowid or 0)
    else:
        connection.execute(
            """UPDATE articles SET key = ?, title = ?, text = ?, category = ?, language = ?,
                updated_at = ?,
               digest = ? WHERE id = ?""",
            (*columns, article_id),
        )
        connection.execute("DELETE FROM questions WHERE article_id = ?", (article_id,))
        connection.execute("DELETE FROM articles_fts WHERE rowid = ?", (article_id,))
    _write_words(connection, article_id, written)
    if written.category:
        connection.execute(
            "INSERT OR IGNORE INTO categories (name) VALUES (?)", (written.category,)
        )
    note(connection, article_id, written, now, actor=actor, action=action)
    return article_id


def _write_words(connection: sqlite3.Connection, article_id: int, written: Content) -> None:
    """Questions and search row of an article that has none."""
    connection.executemany(
        "INSERT INTO questions (article_id, text) VALUES (?, ?)",
        [(article_id, question) for question in written.questions],
    )
    connection.execute(
        "INSERT INTO articles_fts (rowid, title, text, questions) VALUES (?, ?, ?, ?)",
        (article_id, *map(fold_yo, (written.title, written.text, "\n".join(written.questions)))),
    )


def note(
    connection: sqlite3.Connection,
    article_id: int,
    form: Content | Article,
    now: float,
    *,
    actor: str,
    action: str,
) -> None:
    """Add the article's form to its history."""
    connection.execute(
        """INSERT INTO article_history (article_id, at, actor, action, title, text, category,
            language,
           questions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            article_id,
            now,
            clean(actor),
            action,
            form.title,
            form.text,
            form.category,
            form.language,
            dump(list(form.questions)),
        ),
    )


def link(connection: sqlite3.Connection, first: int, second: int) -> bool:
    """Make two articles each other's twin; False when they are already. Former twins are freed."""
    row = connection.execute(
        "SELECT 1 FROM articles WHERE id = ? AND twin_id = ?", (first, second)
    ).fetchone()
    if row is not None:
        return False
    connection.execute(
        "UPDATE articles SET twin_id = NULL WHERE twin_id IN (?, ?)", (first, second)
    )
    connection.execute("UPDATE articles SET twin_id = ? WHERE id = ?", (second, first))
    connection.execute("UPDATE articles SET twin_id = ? WHERE id = ?", (first, second))
    return True


def grow_revision(connection: sqlite3.Connection) -> None:
    """The knowledge base is another one than before."""
    connection.execute(
        """INSERT INTO meta (key, value) VALUES (?, 1)
           ON CONFLICT (key) DO UPDATE SET value = value + 1""",
        (_REVISION,),
    )


def revision(connection: sqlite3.Connection) -> int:
    """Number of changes so far."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_REVISION,)).fetchone()
    return 0 if row is None else int(row[0])
