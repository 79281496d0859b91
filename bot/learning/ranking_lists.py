"""Candidate lists of training questions, from models and indexes that have not seen them.

A correction learns from these; were the models shown the question before, it would learn to trust
them too much. The cost is bounded: of many questions a sample is listed, and beyond a few thousand
one part is held out in place of folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bot.candidates import FEATURES, CandidateIndex
from bot.entries import KnowledgeItem
from bot.learning.questions import Asked, same_answers, with_questions
from nlp.encoders import Encoder
from nlp.text import normalise
from nlp.train.correction import Lists

Ids = NDArray[np.int64]

_MANY = 1000  # questions from which three folds say as much as five
_HELD_OUT_FROM = 3000  # questions from which one part is held out and there are no folds
_MOST_LISTED = 1800
_FEW = 0.05  # share of articles never asked for
_MOST_SINGLE = 0.5  # share of questions that are the only one of their article


Fit = Callable[[Sequence[Asked], set[str]], Encoder | None]


def all_asked_once(items: Sequence[KnowledgeItem], asked: Sequence[Asked]) -> bool:
    """Whether nearly every article has been asked for and most questions are the only one.

    Holding out the only question of an article makes it look never asked for, and a correction
    would learn to prefer such articles although there are none.
    """
    known = {normalise(one.text): one.right for one in asked}
    counts = Counter(answer_id for right in known.values() for answer_id in right)
    for item in items:
        counts[item.answer_id] += sum(normalise(text) not in known for text in item.questions)
    never = sum(not counts[item.answer_id] for item in items)
    single = sum(max(counts[one] for one in own.right) == 1 for own in asked if own.right)
    return never < _FEW * len(items) and single > _MOST_SINGLE * len(asked)


def draw_folds(count: int, seed: int) -> Ids:
    """A fold for each question; -1 for those that no model has to be blind to."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    if count < _HELD_OUT_FROM:
        return np.asarray(order % (3 if count >= _MANY else 5), np.int64)
    return np.where(order < min(_MOST_LISTED, count // 3), 0, -1).astype(np.int64)


def out_of_fold(
    items: Sequence[KnowledgeItem],
    asked: Sequence[Asked],
    folds: Ids,
    fit: Fit,
    *,
    seed: int,
    tell: Callable[[str, float], None],
) -> tuple[Lists, Ids, dict[str, float]]:
    """Candidate lists from models of the other folds.

    Args:
        items: articles with their past questions.
        asked: the questions.
        folds: fold of each.
        fit: gives an encoder for known questions; the texts in the set may not be used.
        seed: of the questions that are listed where there are too many.
        tell: told the finished share.

    Returns:
        The lists, the position in ``asked`` of the question of each, and the fixed weights.
    """
    same = same_answers(items)
    listed = np.flatnonzero(folds >= 0)
    if len(listed) > _MOST_LISTED:
        listed = np.sort(np.random.default_rng(seed).permutation(listed)[:_MOST_LISTED])
    features = [np.zeros((0, len(FEATURES)), np.float32)] * len(asked)
    right = [np.zeros(0, bool)] * len(asked)
    count = int(folds.max()) + 1
    weights: dict[str, float] = {}
    for fold in range(count):
        held = {normalise(asked[row].text) for row in np.flatnonzero(folds == fold).tolist()}
        known = [one for one, own in zip(asked, folds, strict=True) if own != fold]
        index = CandidateIndex(fit(known, held), "cpu")
        index.put(with_questions(items, known, held))
        weights = index.fixed_weights()
        tell("folds", (fold + 0.5) / count)
        for row in listed[folds[listed] == fold].tolist():
            pool = asked[row].pool
            among = None if pool is None else pool.tolist()
            found = index.search(asked[row].text, among=among)
            wanted = frozenset[int]().union(*(same.get(one, ()) for one in asked[row].right))
            features[row] = found.features
            right[row] = np.asarray([one in wanted for one in found.answer_ids], bool)
        tell("folds", (fold + 1) / count)
    chosen = listed.tolist()
    sizes = np.asarray([len(right[row]) for row in chosen], np.int64)
    rows = np.concatenate([features[row] for row in chosen])
    return Lists(rows, sizes, np.concatenate([right[row] for row in chosen])), listed, weights
