"""Articles that say nearly the same or answer one question differently, and making two into one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bot.domain import Article, Page
from bot.errors import BadRequest, Conflict
from bot.store import articles
from bot.store.articles import Content
from bot.store.part import PER_PAGE, Part
from bot.store.texts import clean

PairKind = Literal["duplicate", "conflict"]
_SEEN = "pairs_revision"
_MERGED, _MERGED_AWAY, _UNMERGED = "merged", "merged-away", "unmerged"


@dataclass(frozen=True, slots=True)
class FoundPair:
    """Two articles by id, ``first < second``; ``question`` is the one both answer in a conflict."""

    first: int
    second: int
    kind: PairKind
    likeness: float
    question: str = ""


@dataclass(frozen=True, slots=True)
class ArticlePair:
    """The same with the articles themselves."""

    first: Article
    second: Article
    kind: str
    likeness: float
    question: str


class ArticlePairs(Part):
    """Pairs as they were last found."""

    async def seen_revision(self) -> int:
        """Revision of the knowledge base whose pairs are stored; -1 before the first time."""

        def find(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (_SEEN,)).fetchone()
            return -1 if row is None else int(row[0])

        return await self._db.read(find)

    async def replace(self, pairs: Sequence[FoundPair], revision: int) -> None:
        """Keep these pairs as those of that revision."""
        values = [(p.first, p.second, p.kind, p.likeness, clean(p.question)) for p in pairs]

        def put(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM article_pairs")
            connection.executemany("INSERT INTO article_pairs VALUES (?, ?, ?, ?, ?)", values)
            connection.execute(
                """INSERT INTO meta (key, value) VALUES (?, ?)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value""",
                (_SEEN, revision),
            )

        await self._db.write(put)

    async def pairs(self, kind: str = "", page: int = 1, per_page: int = PER_PAGE) -> Page:
        """Pairs of live articles that nobody said are none, most alike first."""
        body = """FROM article_pairs p JOIN articles a ON a.id = p.first_id
            JOIN articles b ON b.id = p.second_id
            WHERE a.removed_at IS NULL AND b.removed_at IS NULL AND :kind IN ('', p.kind)
            AND NOT EXISTS (SELECT 1 FROM dismissed_pairs d WHERE d.first_id = p.first_id
                AND d.second_id = p.second_id)"""
        params = {"kind": kind}

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(f"SELECT count(*) {body}", params).fetchone()[0]
            found = connection.execute(
                f"""SELECT p.* {body} ORDER BY p.kind DESC, p.likeness DESC, p.first_id,
                    p.second_id LIMIT :limit OFFSET :first""",
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            ).fetchall()
            listed = [
                ArticlePair(
                    articles.load_article(connection, row["first_id"]),
                    articles.load_article(connection, row["second_id"]),
                    row["kind"],
                    row["likeness"],
                    row["question"],
                )
                for row in found
            ]
            return Page(listed, total, max(1, page), per_page)

        return await self._db.read(find)

    async def keep_apart(self, first: int, second: int, actor: str) -> None:
        """Two articles are no pair, because a person said so.

        Raises:
            NotFound: one does not exist.
        """
        low, high = sorted((first, second))
        now = self._clock()

        def put(connection: sqlite3.Connection) -> None:
            for key in (low, high):
                articles.load_article(connection, key)
            connection.execute(
                "INSERT OR IGNORE INTO dismissed_pairs VALUES (?, ?, ?, ?)",
                (low, high, clean(actor), now),
            )

        await self._db.write(put)

    async def merge(self, keep_id: int, drop_id: int, actor: str = "") -> Article:
        """The kept article with the questions of both; the other one goes to the bin.

        Both steps stand in the articles' histories and are undone by ``undo_merge``.

        Raises:
            BadRequest: both are the same article.
            Conflict: one of them is in the bin.
            NotFound: one does not exist.
        """
        if keep_id == drop_id:
            raise BadRequest("An article cannot be merged with itself.")
        now = self._clock()

        def change(connection: sqlite3.Connection) -> Article:
            keep, drop = (articles.load_article(connection, key) for key in (keep_id, drop_id))
            if keep.removed_at is not None or drop.removed_at is not None:
                raise Conflict("One of the articles is in the bin.")
            at = max(now, keep.updated_at + 1e-3, drop.updated_at + 1e-3)
            joined = tuple(dict.fromkeys((*keep.questions, *drop.questions)))
            form = Content(keep.title, keep.text, keep.category, keep.language, joined)
            articles.write_article(connection, keep.id, form, at, actor=actor, action=_MERGED)
            _bin(connection, drop, at, actor=actor, action=_MERGED_AWAY, removed_at=at)
            articles.grow_revision(connection)
            return articles.load_article(connection, keep.id)

        return await self._db.write(change)

    async def undo_merge(self, keep_id: int, drop_id: int, actor: str = "") -> Article:
        """The kept article as it was before the merge, and the other one out of the bin.

        Raises:
            Conflict: one of them was changed since.
            NotFound: one does not exist.
        """
        now = self._clock()

        def change(connection: sqlite3.Connection) -> Article:
            keep, drop = (articles.load_article(connection, key) for key in (keep_id, drop_id))
            before = _forms(connection, keep_id)
            gone = _forms(connection, drop_id)
            if (
                len(before) < 2
                or before[0]["action"] != _MERGED
                or not gone
                or gone[0]["action"] != _MERGED_AWAY
            ):
                raise Conflict(
                    "The articles were changed since.",
                    remedy="Restore an earlier form from the history of each.",
                )
            at = max(now, keep.updated_at + 1e-3, drop.updated_at + 1e-3)
            form = Content(
                before[1]["title"],
                before[1]["text"],
                before[1]["category"],
                before[1]["language"],
                tuple(msgspec.json.decode(before[1]["questions"], type=list[str])),
            )
            articles.write_article(connection, keep.id, form, at, actor=actor, action=_UNMERGED)
            _bin(connection, drop, at, actor=actor, action="restored", removed_at=None)
            articles.grow_revision(connection)
            return articles.load_article(connection, keep.id)

        return await self._db.write(change)


def _bin(
    connection: sqlite3.Connection,
    article: Article,
    at: float,
    *,
    actor: str,
    action: str,
    removed_at: float | None,
) -> None:
    connection.execute(
        "UPDATE articles SET removed_at = ?, updated_at = ? WHERE id = ?",
        (removed_at, at, article.id),
    )
    articles.note(connection, article.id, article, at, actor=actor, action=action)


def _forms(connection: sqlite3.Connection, article_id: int) -> list[sqlite3.Row]:
    """The two newest entries of the article's history."""
    return connection.execute(
        "SELECT * FROM article_history WHERE article_id = ? ORDER BY id DESC LIMIT 2",
        (article_id,),
    ).fetchall()
