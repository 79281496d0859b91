"""Questions with the articles that were right for them, merged and given to their articles."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bot.entries import KnowledgeItem
from nlp.text import normalise


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the articles that were right, and those it was asked of (None: all)."""

    text: str
    right: frozenset[int]
    pool: NDArray[np.int32] | None = None


def merge_questions(
    questions: Sequence[tuple[str, int]], pools: Sequence[Collection[int] | None]
) -> list[Asked]:
    """Equal questions as one, with the right articles and pools of all."""
    merged: dict[str, Asked] = {}
    for (text, answer_id), among in zip(questions, pools, strict=True):
        if not text.strip():
            continue
        pool = None if among is None else np.asarray(list(among), np.int32)
        key = normalise(text)
        known = merged.get(key)
        if known is None:
            merged[key] = Asked(text, frozenset({answer_id}), pool)
            continue
        both = None if known.pool is None or pool is None else np.union1d(known.pool, pool)
        merged[key] = Asked(known.text, known.right | {answer_id}, both)
    return list(merged.values())


def same_answers(items: Sequence[KnowledgeItem]) -> dict[int, frozenset[int]]:
    """Articles that are right where one is: itself, its twin, and those of the same text."""
    by_text: dict[str, set[int]] = {}
    keys = {item.answer_id: normalise(item.text) for item in items}
    for answer_id, key in keys.items():
        by_text.setdefault(key, set()).add(answer_id)
    return {
        item.answer_id: frozenset(
            by_text[keys[item.answer_id]] | ({item.twin_id} if item.twin_id is not None else set())
        )
        for item in items
    }


def with_questions(
    items: Sequence[KnowledgeItem], known: Sequence[Asked], held: set[str]
) -> list[KnowledgeItem]:
    """Articles with all past questions but those held out."""
    more: dict[int, list[str]] = {}
    for one in known:
        for answer_id in sorted(one.right):
            more.setdefault(answer_id, []).append(one.text)
    return [
        replace(
            item,
            questions=tuple(
                text
                for text in dict.fromkeys((*item.questions, *more.get(item.answer_id, ())))
                if normalise(text) not in held
            ),
        )
        for item in items
    ]
