"""What we could not answer: questions in groups, each with a name and the best human answer.

Groups are kept in the store and only grow, so what was merged or dismissed stays so; a question
like those of a dismissed group joins it and is not shown again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from bot.bus import Bus
from bot.domain import Article
from bot.errors import BadRequest
from bot.serving import Serving
from bot.store import Store
from bot.store.unanswered import Cluster, OpenQuestion, one_line
from index.clusters import complete_link, medoid, nearest_group
from nlp.likeness import telling_words, text_counts, text_vectors, top_terms

_SINCE_S = 90 * 86_400.0
_AT_ONCE = 500  # new questions a look; more come with the next one
_REMEMBERED = 2_000  # questions of known groups that new ones are compared with
_ALIKE = 0.3
_TELLING = 2  # words that a question must have; "hello" and "thanks" ask nothing
_MOST_QUESTIONS = 50  # past questions of a published article


class Card(msgspec.Struct, frozen=True):
    """One group as the panel shows it.

    Attributes:
        terms: words that name it.
        examples: three questions, the most typical first.
        draft: the agents' reply that is most like their other ones; empty where nobody replied.
        replies: number of replies it was chosen from.
    """

    id: int
    size: int
    terms: tuple[str, ...]
    examples: tuple[str, ...]
    draft: str
    replies: int
    category: str
    language: str
    newest_at: float


async def refresh(store: Store, now: float) -> int:
    """Put new questions into groups; gives the number of questions taken in."""
    found = await store.unanswered.fresh(now - _SINCE_S, _AT_ONCE)
    fresh = [q for q in found if len(telling_words(q.text)) >= _TELLING]
    if not fresh:
        return 0
    known = [c for c in await store.unanswered.clusters() if c.state != "published"]
    groups, joining = await asyncio.to_thread(_sort_in, fresh, known)
    await store.unanswered.add(groups, joining)
    return len(fresh)


async def cards(store: Store) -> list[Card]:
    """Open groups, largest first."""
    clusters = await store.unanswered.clusters("open")
    return await asyncio.to_thread(_cards, clusters)


async def card(store: Store, cluster_id: int) -> tuple[Card, tuple[str, ...]]:
    """An open group, and all of its questions, the most typical first.

    Raises:
        NotFound: there is no such group.
    """
    cluster = await store.unanswered.cluster(cluster_id)
    others = [c for c in await store.unanswered.clusters("open") if c.id != cluster_id]
    found = (await asyncio.to_thread(_cards, [cluster, *others]))[0]
    return found, _distinct(_by_typicality(cluster.questions))


async def publish(
    store: Store,
    serving: Serving,
    bus: Bus,
    cluster_id: int,
    *,
    text: str,
    title: str,
    questions: Sequence[str],
    category: str,
    language: str,
    actor: str,
) -> Article:
    """The article that answers a group from now on, new or the one that has this text already.

    Raises:
        BadRequest: the text is empty.
        NotFound: there is no such group.
    """
    cluster = await store.unanswered.cluster(cluster_id)
    if not text.strip():
        raise BadRequest("An article needs a text.")
    known = await store.unanswered.article_with_text(text)
    if known is None:
        article = await store.knowledge.save(
            title=title, text=text, category=category, language=language,
            questions=questions, actor=actor,
        )  # fmt: skip
    else:
        article = await _extend(store, known, questions, actor)
    await store.unanswered.settle(cluster.id, "published", article.id)
    await serving.apply_articles([article.id])
    revision = await store.knowledge.revision()
    bus.publish("desk", "knowledge.changed", {"revision": revision, "articles": [article.id]})
    await store.people.audit(
        actor, "article.published", str(article.id), {"questions": len(questions)}
    )
    return article


async def _extend(store: Store, article_id: int, questions: Sequence[str], actor: str) -> Article:
    before = await store.knowledge.article(article_id)
    if before.removed_at is not None:
        before = await store.knowledge.restore(article_id, actor)
    return await store.knowledge.save(
        article_id=article_id,
        title=before.title,
        text=before.text,
        category=before.category,
        language=before.language,
        questions=[*before.questions, *questions],
        actor=actor,
    )


def _sort_in(
    fresh: Sequence[OpenQuestion], known: Sequence[Cluster]
) -> tuple[list[list[int]], dict[int, int]]:
    """Messages of new groups, and the known group that each of the others joins."""
    places: list[tuple[int, int]] = []
    texts: list[str] = []
    for cluster in known:
        begin = len(texts)
        texts += [question.text for question in cluster.questions]
        places.append((begin, len(texts)))
        if len(texts) >= _REMEMBERED:
            break
    vectors = text_vectors([*texts, *(question.text for question in fresh)])
    groups = [vectors[begin:end] for begin, end in places]
    joining: dict[int, int] = {}
    left: list[int] = []
    for place, question in enumerate(fresh):
        number = nearest_group(vectors[len(texts) + place], groups, _ALIKE)
        if number is None:
            left.append(place)
        else:
            joining[question.message_id] = known[number].id
    rows = vectors[[len(texts) + place for place in left]]
    found = complete_link(rows, _ALIKE)
    return [[fresh[left[row]].message_id for row in group] for group in found], joining


def _cards(clusters: Sequence[Cluster]) -> list[Card]:
    everything = [q.text for cluster in clusters for q in cluster.questions]
    counts = text_counts(everything)
    return [_card(cluster, counts, len(everything)) for cluster in clusters]


def _card(cluster: Cluster, everywhere: Mapping[str, int], total: int) -> Card:
    texts = [question.text for question in cluster.questions]
    replies = [question.reply for question in cluster.questions if question.reply.strip()]
    draft = replies[medoid(text_vectors(replies))] if replies else ""
    return Card(
        id=cluster.id,
        size=len(texts),
        terms=tuple(top_terms(texts, everywhere, total)),
        examples=_distinct(_by_typicality(cluster.questions))[:3],
        draft=draft,
        replies=len(replies),
        category=_most_common(question.category for question in cluster.questions),
        language=_most_common(question.language for question in cluster.questions) or "en",
        newest_at=max(question.asked_at for question in cluster.questions),
    )


def _by_typicality(questions: Sequence[OpenQuestion]) -> list[str]:
    vectors = text_vectors([question.text for question in questions])
    order = np.argsort(-(vectors @ vectors.sum(axis=0)), kind="stable")
    return [questions[place].text.strip() for place in order.tolist()]


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))[:_MOST_QUESTIONS]


def _most_common(values: Iterable[str]) -> str:
    counted = Counter(value for value in values if value)
    return counted.most_common(1)[0][0] if counted else ""


def title_of(examples: Sequence[str]) -> str:
    """A title for the article of a group: its most typical question on one line."""
    return one_line(examples[0]) if examples else ""
