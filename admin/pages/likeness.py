"""Articles that say nearly the same, and those that answer one question differently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from bot.domain import Article
from bot.store.article_pairs import FoundPair
from index.near import near_pairs
from nlp.terms import stem_terms
from nlp.text import words

ALIKE = 0.7  # Jaccard coefficient of the stems of two answers


def find_pairs(listed: Sequence[Article]) -> list[FoundPair]:
    """Pairs of one language, each once; a duplicate is not told as a conflict as well."""
    found: dict[tuple[int, int], FoundPair] = {}
    by_language: dict[str, list[Article]] = defaultdict(list)
    for article in listed:
        by_language[article.language].append(article)
    for group in by_language.values():
        for pair in near_pairs([stem_terms(article.text) for article in group], ALIKE):
            first, second = sorted((group[pair.first].id, group[pair.second].id))
            found[first, second] = FoundPair(first, second, "duplicate", pair.likeness)
        for question, first, second in _shared_questions(group):
            if (first, second) not in found:
                found[first, second] = FoundPair(first, second, "conflict", 0.0, question)
    return list(found.values())


def _shared_questions(group: Iterable[Article]) -> Iterable[tuple[str, int, int]]:
    """A question and two articles that have it; of many articles a chain, not every pair."""
    asked: dict[str, dict[int, str]] = defaultdict(dict)
    for article in group:
        for question in (*article.questions, article.title):
            key = " ".join(words(question.casefold().replace("ё", "е")))
            if key:
                asked[key].setdefault(article.id, question)
    for holders in asked.values():
        for first, second in pairwise(sorted(holders)):
            yield holders[first], first, second
