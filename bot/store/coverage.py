"""What the knowledge base covers: how much each article answers, where one is missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.domain import Article, Page
from bot.errors import NotFound
from bot.store import articles
from bot.store.part import PER_PAGE, Part
from bot.store.search import match

ArticleState = Literal["live", "stale", "duplicate", "conflict", "unused", "removed"]
Sorting = Literal["-updated", "updated", "-answered", "answered", "-taken", "taken"]
STATES: tuple[ArticleState, ...] = ("live", "stale", "duplicate", "conflict", "unused", "removed")

WINDOW_S = 30 * 86_400.0
# Not touched for a year, or lately mostly edited or refused: somebody should look.
_OLD_S = 365 * 86_400.0
_LATELY_S = 90 * 86_400.0
_ENOUGH = 4

_SENT = """m.author IN ('agent', 'bot') AND m.kind != 'note' AND NOT EXISTS (
    SELECT 1 FROM outbox o WHERE o.message_id = m.id AND o.state = 'cancelled')"""
# The customer's message that a reply answers: the one it names, else the last one before it.
_ASKED = """coalesce(m.reply_to_id, (SELECT max(x.id) FROM messages x
    WHERE x.conversation_id = m.conversation_id AND x.id < m.id AND x.author = 'customer'))"""
_PAIR = """EXISTS (SELECT 1 FROM article_pairs p WHERE p.kind = '{kind}'
    AND a.id IN (p.first_id, p.second_id) AND NOT EXISTS (SELECT 1 FROM dismissed_pairs d
    WHERE d.first_id = p.first_id AND d.second_id = p.second_id))"""
_LIVE = "a.removed_at IS NULL"
_STATES: Mapping[ArticleState, str] = {
    "live": _LIVE,
    "stale": f"""{_LIVE} AND (a.updated_at < :now - {_OLD_S} OR (
        SELECT count(*) >= {_ENOUGH} AND 2 * count(*) FILTER (WHERE v.verdict != 'accepted')
        >= count(*) FROM verdicts v WHERE v.answer_id = a.id AND v.verdict != 'ignored'
        AND v.created_at > max(a.updated_at, :now - {_LATELY_S})))""",  # noqa: S608
    "duplicate": f"{_LIVE} AND {_PAIR.format(kind='duplicate')}",
    "conflict": f"{_LIVE} AND {_PAIR.format(kind='conflict')}",
    "unused": f"""{_LIVE} AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.answer_id = a.id
        AND v.verdict IN ('accepted', 'edited'))
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.answer_id = a.id AND {_SENT})""",  # noqa: S608
    "removed": "a.removed_at IS NOT NULL",
}
_ORDERS: Mapping[str, str] = {
    "updated": "a.updated_at",
    "answered": "answered",
    "taken": "taken",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which articles, in which order; empty filters let all pass."""

    query: str = ""
    category: str = ""
    language: str = ""
    state: ArticleState = "live"
    sort: Sorting = "-updated"


@dataclass(frozen=True, slots=True)
class ArticleLine:
    """An article and the number of questions that it answered in 30 days."""

    article: Article
    answered: int


@dataclass(frozen=True, slots=True)
class Facets:
    """How many articles each filter would leave; categories by name, of live articles."""

    categories: Mapping[str, int]
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CategoryCoverage:
    """Questions of 30 days that got an answer, and how many of them an article gave."""

    name: str
    articles: int
    questions: int
    by_article: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that a person answered in their own words."""

    message_id: int
    conversation: str
    text: str
    reply: str
    category: str
    language: str
    asked_at: float
    agent: str


class Coverage(Part):
    """Reads only."""

    async def articles(self, wish: Wish, page: int = 1, per_page: int = PER_PAGE) -> Page:
        """Lines that fit ``wish``."""
        now = self._clock()
        where, params = _condition(wish, now)
        order = _ORDERS[wish.sort.removeprefix("-")]
        way = "DESC" if wish.sort.startswith("-") else "ASC"

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM articles a WHERE {where}",  # noqa: S608
                params,
            ).fetchone()[0]
            found = connection.execute(
                f"""SELECT a.*, (SELECT count(*) FROM messages m WHERE m.answer_id = a.id
                        AND m.created_at > :now - {WINDOW_S} AND {_SENT}) AS answered,
                    (SELECT avg(v.verdict IN ('accepted', 'edited')) FROM verdicts v
                        WHERE v.answer_id = a.id) AS taken
                    FROM articles a WHERE {where}
                    ORDER BY {order} {way} NULLS LAST, a.id DESC LIMIT :limit OFFSET :first""",  # noqa: S608
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            ).fetchall()
            answered = {row["id"]: row["answered"] for row in found}
            loaded = articles.load_articles(connection, found)
            lines = [ArticleLine(article, answered[article.id]) for article in loaded]
            return Page(lines, total, max(1, page), per_page)

        return await self._db.read(find)

    async def facets(self) -> Facets:
        """Counts beside the filters."""
        now = self._clock()

        def count(connection: sqlite3.Connection) -> Facets:
            categories = connection.execute(
                """SELECT category, count(*) FROM articles WHERE removed_at IS NULL
                   GROUP BY category ORDER BY category"""
            )
            states: dict[str, int] = {
                state: connection.execute(
                    f"SELECT count(*) FROM articles a WHERE {condition}",  # noqa: S608
                    {"now": now},
                ).fetchone()[0]
                for state, condition in _STATES.items()
            }
            return Facets(dict(categories.fetchall()), states)

        return await self._db.read(count)

    async def by_category(self) -> list[CategoryCoverage]:
        """Every category with articles or questions, most questions by hand first."""
        since = self._clock() - WINDOW_S

        def find(connection: sqlite3.Connection) -> list[CategoryCoverage]:
            found = connection.execute(
                f"""WITH asked AS (
                    SELECT coalesce(c.category, '') AS name, q.id, max(m.answer_id IS NOT NULL) AS
                    given FROM messages m JOIN messages q ON q.id = {_ASKED}
                    JOIN conversations c ON c.id = m.conversation_id
                    WHERE m.created_at > ? AND q.author = 'customer' AND {_SENT} GROUP BY q.id),
                  held AS (SELECT category AS name, count(*) AS number FROM articles
                    WHERE removed_at IS NULL GROUP BY category)
                  SELECT n.name, coalesce((SELECT number FROM held h WHERE h.name = n.name), 0),
                    count(a.id), coalesce(sum(a.given), 0)
                  FROM (SELECT name FROM asked UNION SELECT name FROM held) n
                  LEFT JOIN asked a ON a.name = n.name GROUP BY n.name
                  ORDER BY count(a.id) - coalesce(sum(a.given), 0) DESC, n.name""",  # noqa: S608
                (since,),
            )
            return [CategoryCoverage(*row) for row in found]

        return await self._db.read(find)

    async def unanswered(
        self, category: str | None = None, page: int = 1, per_page: int = PER_PAGE
    ) -> Page:
        """Questions of 30 days that no article answered but a person did, newest first."""
        params = {"since": self._clock() - WINDOW_S, "category": category}
        body = f"""FROM messages m JOIN messages q ON q.id = {_ASKED}
            JOIN conversations c ON c.id = m.conversation_id
            LEFT JOIN agents g ON g.id = m.agent_id
            WHERE m.created_at > :since AND m.author = 'agent' AND m.answer_id IS NULL
            AND q.author = 'customer' AND {_SENT}
            AND (:category IS NULL OR coalesce(c.category, '') = :category)
            AND NOT EXISTS (SELECT 1 FROM messages x WHERE x.answer_id IS NOT NULL
                AND x.conversation_id = m.conversation_id AND x.id > q.id AND x.id < m.id)
            GROUP BY q.id"""  # noqa: S608

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(f"SELECT count(*) FROM (SELECT 1 {body})", params)  # noqa: S608
            found = connection.execute(
                f"""SELECT q.id, c.public_id, q.text, m.text, coalesce(c.category, ''), q.language,
                    q.created_at, coalesce(g.name, ''), max(m.id) AS newest {body}
                    ORDER BY newest DESC LIMIT :limit OFFSET :first""",
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            listed = [Unanswered(*row[:-1]) for row in found]
            return Page(listed, total.fetchone()[0], max(1, page), per_page)

        return await self._db.read(find)

    async def draft(self, message_id: int) -> dict[str, str]:
        """The fields of an article made of a customer's question and the answer given by hand.

        Raises:
            NotFound: there is no such question.
        """

        def find(connection: sqlite3.Connection) -> dict[str, str]:
            row = connection.execute(
                f"""SELECT q.text, q.language, coalesce(c.category, '') AS category,
                    coalesce((SELECT m.text FROM messages m WHERE m.author = 'agent' AND m.id > q.id
                        AND m.conversation_id = q.conversation_id AND {_ASKED} = q.id AND {_SENT}
                        ORDER BY m.id LIMIT 1), '') AS
                    answer FROM messages q JOIN conversations c ON c.id = q.conversation_id
                    WHERE q.id = ? AND q.author = 'customer'""",  # noqa: S608
                (message_id,),
            ).fetchone()
            if row is None:
                raise NotFound(f"There is no question {message_id}.")
            return {
                "text": row["answer"],
                "questions": row["text"],
                "category": row["category"],
                "language": row["language"],
            }

        return await self._db.read(find)


def _condition(wish: Wish, now: float) -> tuple[str, dict[str, object]]:
    terms = match(wish.query)
    parts = [f"({_STATES[wish.state]})"]
    if wish.category:
        parts.append("a.category = :category")
    if wish.language:
        parts.append("a.language = :language")
    if wish.query.strip():
        found = "a.id IN (SELECT rowid FROM articles_fts WHERE articles_fts MATCH :terms)"
        parts.append(found if terms else "0")
    params: dict[str, object] = {
        "now": now,
        "category": wish.category,
        "language": wish.language,
        "terms": terms,
    }
    return " AND ".join(parts), params
