"""Articles as the ranker sees them, with the questions that people answered with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from bot.domain import Article
from bot.entries import KnowledgeItem
from bot.store import Store

_LEARNED: Final = 200  # newest questions that people answered with an article, kept as its own


def knowledge_item(article: Article, learned: Sequence[str] = ()) -> KnowledgeItem:
    """An article as the ranker sees it, with questions that people answered with it."""
    return KnowledgeItem(
        answer_id=article.id,
        text=article.text,
        title=article.title,
        category=article.category,
        language=article.language,
        questions=tuple(dict.fromkeys((*article.questions, *learned))),
        twin_id=article.twin_id,
        accepted=article.accepted + article.edited,
        shown=article.shown,
    )


async def read_items(
    store: Store, ids: Sequence[int] | None = None
) -> tuple[list[KnowledgeItem], list[int]]:
    """Items of the articles (None: all), and ids of those that are not to be found."""
    learned: dict[int, list[str]] = {}
    for answer_id, question in await tied_questions(store, ids):
        learned.setdefault(answer_id, []).append(question)
    if ids is None:
        # Of a hundred thousand articles the loop would hear nothing else for a second.
        return await asyncio.to_thread(_items, await store.knowledge.all_items(), learned), []
    articles = await store.knowledge.some(ids)
    found = [article for article in articles if article.removed_at is None]
    gone = sorted(set(ids) - {article.id for article in found})
    return _items(found, learned), gone


async def tied_questions(store: Store, ids: Sequence[int] | None = None) -> list[tuple[int, str]]:
    """Past questions with the article that was right for them, oldest first: (answer id, text).

    Of all articles, or of those with these ids.
    """
    tied = [
        (ticket.answer_id, ticket.text)
        for ticket in await store.knowledge.tickets(ids)
        if ticket.answer_id is not None
    ]
    rows = await store.feedback.training_rows(ids)
    return tied + [(row.answer_id, row.question) for row in rows]


def _items(
    articles: Sequence[Article], learned: Mapping[int, Sequence[str]]
) -> list[KnowledgeItem]:
    return [
        knowledge_item(article, learned.get(article.id, ())[-_LEARNED:]) for article in articles
    ]
