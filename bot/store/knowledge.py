"""The knowledge base: articles, history, twins, categories; imports and snippets join in."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

import msgspec

from bot.domain import Article, Category, Page
from bot.errors import BadRequest, Conflict
from bot.store import articles
from bot.store.canned import Canned
from bot.store.imports import Imports
from bot.store.part import PER_PAGE
from bot.store.records import ArticleVersion
from bot.store.search import match
from bot.store.stamps import stamps
from bot.store.texts import answer_key

ArticleState = Literal["live", "removed", "all", "unused"]

_STATES: dict[str, str] = {
    "live": "a.removed_at IS NULL",
    "removed": "a.removed_at IS NOT NULL",
    "all": "1",
    "unused": """a.removed_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.answer_id = a.id)""",
}


class Knowledge(Imports, Canned):
    """Articles and what belongs to them. Every change of an article grows the revision."""

    async def articles(
        self,
        *,
        query: str = "",
        category: str = "",
        language: str = "",
        state: ArticleState = "live",
        page: int = 1,
        per_page: int = PER_PAGE,
    ) -> Page:
        """Articles with all words of ``query``, newest change first; empty filters let all pass."""
        where = [_STATES[state]]
        params: dict[str, object] = {
            "category": category,
            "language": language,
            "terms": match(query),
        }
        if category:
            where.append("a.category = :category")
        if language:
            where.append("a.language = :language")
        if query.strip():
            where.append(
                "a.id IN (SELECT rowid FROM articles_fts WHERE articles_fts MATCH :terms)"
                if params["terms"]
                else "0"
            )
        condition = " AND ".join(where)

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM articles a WHERE {condition}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                f"""SELECT a.* FROM articles a WHERE {condition}
                    ORDER BY a.updated_at DESC, a.id DESC LIMIT :limit OFFSET :first""",  # noqa: S608
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            ).fetchall()
            return Page(articles.load_articles(connection, found), total, max(1, page), per_page)

        return await self._db.read(find)

    async def article(self, article_id: int) -> Article:
        """The article, removed or not.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: articles.load_article(connection, article_id))

    async def some(self, article_ids: Sequence[int]) -> list[Article]:
        """Those of the articles that exist, removed or not, by id."""

        def find(connection: sqlite3.Connection) -> list[Article]:
            ids = ",".join(str(int(key)) for key in article_ids)
            found = connection.execute(
                f"SELECT * FROM articles WHERE id IN ({ids}) ORDER BY id"  # noqa: S608
            ).fetchall()
            return articles.load_articles(connection, found)

        return await self._db.read(find)

    async def all_items(self) -> list[Article]:
        """Every article that is not removed, by id."""

        def find(connection: sqlite3.Connection) -> list[Article]:
            found = connection.execute(
                "SELECT * FROM articles WHERE removed_at IS NULL ORDER BY id"
            ).fetchall()
            return articles.load_articles(connection, found)

        return await self._db.read(find)

    async def save(
        self,
        *,
        article_id: int | None = None,
        title: str = "",
        text: str,
        category: str = "",
        language: str = "",
        questions: Sequence[str] = (),
        expected_updated_at: float | None = None,
        actor: str = "",
    ) -> Article:
        """The article as written, new without ``article_id``; an equal form changes nothing.

        Raises:
            BadRequest: the text is empty.
            Conflict: somebody changed it since ``expected_updated_at``, or another article (its id
                is named) has the same text.
            NotFound: there is no such article.
        """
        written = articles.content(title, text, category, language, questions)
        if not written.text:
            raise BadRequest("An article needs a text.")
        now = self._clock()

        def save(connection: sqlite3.Connection) -> Article:
            key = article_id
            if key is not None:
                before = articles.load_article(connection, key)
                if expected_updated_at is not None and before.updated_at != expected_updated_at:
                    raise Conflict(remedy="Look at the newer form, then try again.")
                old = articles.Content(
                    before.title, before.text, before.category, before.language, before.questions
                )
                if old == written:
                    return before
                now_ = max(now, before.updated_at + 1e-3)  # a clock set back must not hide a change
            else:
                now_ = now
            _refuse_twice(connection, key, written.text)
            action = "created" if key is None else "changed"
            key = articles.write_article(connection, key, written, now_, actor=actor, action=action)
            articles.grow_revision(connection)
            return articles.load_article(connection, key)

        return await self._db.write(save)

    async def remove(self, article_id: int, actor: str = "") -> Article:
        """The article in the bin: no longer suggested, restorable.

        Raises:
            NotFound: there is no such article.
        """
        return await self._bin(article_id, removed=True, actor=actor)

    async def restore(self, article_id: int, actor: str = "") -> Article:
        """The article out of the bin.

        Raises:
            NotFound: there is no such article.
        """
        return await self._bin(article_id, removed=False, actor=actor)

    async def history(self, article_id: int) -> list[ArticleVersion]:
        """Every form the article had, newest first."""

        def find(connection: sqlite3.Connection) -> list[ArticleVersion]:
            found = connection.execute(
                """SELECT id, article_id, at, actor, action, title, text, category, language,
                    questions
                   FROM article_history WHERE article_id = ? ORDER BY id DESC""",
                (article_id,),
            )
            return [
                ArticleVersion(
                    **{
                        **dict(row),
                        "questions": tuple(msgspec.json.decode(row["questions"], type=list[str])),
                    }
                )
                for row in found
            ]

        return await self._db.read(find)

    async def link_twins(self, first: int, second: int, actor: str = "") -> None:
        """Make two articles the same one in two languages; former twins of either are freed.

        Raises:
            BadRequest: both are the same article.
            NotFound: one does not exist.
        """
        if first == second:
            raise BadRequest("An article cannot be its own twin.")
        now = self._clock()

        def save(connection: sqlite3.Connection) -> None:
            pair = [articles.load_article(connection, key) for key in (first, second)]
            if articles.link(connection, first, second):
                for article in pair:
                    articles.note(
                        connection, article.id, article, now, actor=actor, action="linked"
                    )
                articles.grow_revision(connection)

        await self._db.write(save)

    async def categories(self) -> list[Category]:
        """Every category by name, with the number of its articles."""

        def find(connection: sqlite3.Connection) -> list[Category]:
            found = connection.execute(
                """SELECT name, (SELECT count(*) FROM articles a WHERE a.category = c.name
                   AND a.removed_at IS NULL), auto_reply, auto_threshold FROM categories c ORDER BY
                   name"""
            )
            return [Category(name, number, bool(auto), at) for name, number, auto, at in found]

        return await self._db.read(find)

    async def set_category(self, name: str, auto_reply: bool, auto_threshold: float) -> Category:
        """The category with its automatic reply switched; made if it does not exist.

        The revision stays: what is searched has not changed.

        Raises:
            BadRequest: the name is empty or the threshold outside 0..1.
        """
        if not name.strip() or not 0.0 <= auto_threshold <= 1.0:
            raise BadRequest("A category needs a name and a threshold between 0 and 1.")

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT INTO categories (name, auto_reply, auto_threshold) VALUES (?, ?, ?)
                   ON CONFLICT (name) DO UPDATE SET auto_reply = excluded.auto_reply,
                   auto_threshold = excluded.auto_threshold""",
                (name.strip(), auto_reply, auto_threshold),
            )

        await self._db.write(save)
        return next(
            category for category in await self.categories() if category.name == name.strip()
        )

    async def revision(self) -> int:
        """Number of changes so far; another number means another knowledge base."""
        return await self._db.read(articles.revision)

    async def stamps(self) -> dict[int, int]:
        """For each article that is not removed a number that changes with what is indexed of it."""
        return await self._db.read(stamps)

    async def _bin(self, article_id: int, *, removed: bool, actor: str) -> Article:
        now = self._clock()

        def save(connection: sqlite3.Connection) -> Article:
            before = articles.load_article(connection, article_id)
            if (before.removed_at is not None) == removed:
                return before
            connection.execute(
                "UPDATE articles SET removed_at = ?, updated_at = ? WHERE id = ?",
                (now if removed else None, max(now, before.updated_at + 1e-3), article_id),
            )
            action = "removed" if removed else "restored"
            articles.note(connection, article_id, before, now, actor=actor, action=action)
            articles.grow_revision(connection)
            return articles.load_article(connection, article_id)

        return await self._db.write(save)


def _refuse_twice(connection: sqlite3.Connection, article_id: int | None, text: str) -> None:
    other = connection.execute(
        "SELECT id FROM articles WHERE key = ?", (answer_key(text),)
    ).fetchone()
    if other is not None and other[0] != article_id:
        raise Conflict(
            f"Article {other[0]} has the same text.",
            remedy="Add the questions to that article instead.",
        )
