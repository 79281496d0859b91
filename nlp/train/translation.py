"""Fits the word translation table from pairs of question and answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nlp.terms import stem_terms
from nlp.translation import Translation

Ids = NDArray[np.int64]

_ROUNDS = 5
_ANSWER_STEMS = 150  # distinct stems of an answer, the first ones
_MOST_PAIRS = 12_000  # more teach little and take memory
_LEAST = 1e-3  # smaller probabilities are left out of the table


def fit_translation(
    answers: Sequence[str], pairs: Sequence[tuple[str, int]], *, seed: int = 0
) -> Translation:
    """P(question term | answer term) by expectation maximisation.

    Source: model 1 of Brown et al., "The Mathematics of Statistical Machine Translation", 1993,
    with each term counted once per text.

    Args:
        answers: texts.
        pairs: question and the position of its answer.
        seed: of the pairs that are learned from where there are too many.
    """
    pairs = sample_pairs(pairs, _MOST_PAIRS, seed)
    asked = [np.unique(stem_terms(text)) for text, _ in pairs]
    bodies = [_first_distinct(stem_terms(text)) for text in answers]
    vocabulary = np.unique(np.concatenate([*asked, *bodies, np.empty(0, np.int64)]))
    size = len(vocabulary)
    questions = [np.searchsorted(vocabulary, ids) for ids in asked]
    sources = [np.searchsorted(vocabulary, ids) for ids in bodies]
    everything = np.concatenate([*questions, np.empty(0, np.int64)])
    background = (np.bincount(everything, minlength=size) + 0.5) / (
        len(everything) + 0.5 * size + 1
    )
    target, source, group = _entries(questions, sources, [position for _, position in pairs])
    keys, inverse = np.unique(target * size + source, return_inverse=True)
    key_target, key_source = np.divmod(keys, max(size, 1))
    probability = np.ones(len(keys))
    for _ in range(_ROUNDS):
        share = probability[inverse]
        share /= np.maximum(np.bincount(group, share)[group], 1e-12)
        counts = np.bincount(inverse, share, minlength=len(keys))
        whole = np.bincount(key_source, counts, minlength=size)
        probability = counts / np.maximum(whole[key_source], 1e-12)
    keep = probability >= _LEAST
    starts = np.searchsorted(key_target[keep], np.arange(size + 1))
    return Translation(
        vocabulary,
        background.astype(np.float32),
        starts.astype(np.int64),
        key_source[keep].astype(np.int32),
        probability[keep].astype(np.float32),
    )


def sample_pairs(
    pairs: Sequence[tuple[str, int]], most: int, seed: int
) -> Sequence[tuple[str, int]]:
    """At most so many pairs, drawn by chance, in their order."""
    if len(pairs) <= most:
        return pairs
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:most]
    return [pairs[place] for place in np.sort(drawn).tolist()]


def _first_distinct(ids: Ids) -> Ids:
    _, first = np.unique(ids, return_index=True)
    return ids[np.sort(first)[:_ANSWER_STEMS]]


def _entries(
    questions: Sequence[Ids], sources: Sequence[Ids], owners: Sequence[int]
) -> tuple[Ids, Ids, Ids]:
    """Every (question term, answer term) of every pair, and which question term of all it is."""
    target, source, group = (
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
    )
    seen = 0
    for asked, owner in zip(questions, owners, strict=True):
        body = sources[owner]
        target.append(np.repeat(asked, len(body)))
        source.append(np.tile(body, len(asked)))
        group.append(np.repeat(seen + np.arange(len(asked)), len(body)))
        seen += len(asked)
    return np.concatenate(target), np.concatenate(source), np.concatenate(group)
