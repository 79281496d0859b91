"""Fits the word translation table from pairs of question and answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nlp.terms import stem_terms
from nlp.translation import Table, Translation

Ids = NDArray[np.int64]

_ROUNDS = 5
_ANSWER_STEMS = 150  # distinct stems of an answer, the first ones
_MOST_PAIRS = 12_000  # more teach little and take memory
_LEAST = 1e-3  # smaller probabilities are left out of the table


def fit_translation(
    answers: Sequence[str], pairs: Sequence[tuple[str, int]], *, seed: int = 0
) -> Translation:
    """Both ways of translation by expectation maximisation.

    Source: model 1 of Brown et al., "The Mathematics of Statistical Machine Translation", 1993,
    with each term counted once per text.

    Args:
        answers: texts.
        pairs: question and the position of its answer.
        seed: of the pairs that are learned from where there are too many.
    """
    if len(pairs) > _MOST_PAIRS:
        drawn = np.random.default_rng(seed).permutation(len(pairs))[:_MOST_PAIRS]
        pairs = [pairs[place] for place in np.sort(drawn).tolist()]
    asked = [np.unique(stem_terms(text)) for text, _ in pairs]
    bodies = [_first_distinct(stem_terms(text)) for text in answers]
    vocabulary = np.unique(np.concatenate([*asked, *bodies, np.empty(0, np.int64)]))
    size = len(vocabulary)
    questions = [np.searchsorted(vocabulary, ids) for ids in asked]
    told = [np.searchsorted(vocabulary, bodies[position]) for _, position in pairs]
    return Translation(
        vocabulary,
        _table(questions, told, size, by_target=True),
        _table(told, questions, size, by_target=False),
    )


def _table(targets: Sequence[Ids], sources: Sequence[Ids], size: int, *, by_target: bool) -> Table:
    """P(target | source), keyed by either."""
    everything = np.concatenate([*targets, np.empty(0, np.int64)])
    background = (np.bincount(everything, minlength=size) + 0.5) / (
        len(everything) + 0.5 * size + 1
    )
    target, source, group = _entries(targets, sources)
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
    key, other, probability = key_target[keep], key_source[keep], probability[keep]
    if not by_target:
        order = np.argsort(other, kind="stable")
        key, other, probability = other[order], key[order], probability[order]
    return Table(
        background.astype(np.float32),
        np.searchsorted(key, np.arange(size + 1)).astype(np.int64),
        other.astype(np.int32),
        probability.astype(np.float32),
    )


def _first_distinct(ids: Ids) -> Ids:
    _, first = np.unique(ids, return_index=True)
    return ids[np.sort(first)[:_ANSWER_STEMS]]


def _entries(targets: Sequence[Ids], sources: Sequence[Ids]) -> tuple[Ids, Ids, Ids]:
    """Every (target term, source term) of every pair, and which target term of all it is."""
    target, source, group = (
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
        [np.empty(0, np.int64)],
    )
    seen = 0
    for wanted, given in zip(targets, sources, strict=True):
        target.append(np.repeat(wanted, len(given)))
        source.append(np.tile(given, len(wanted)))
        group.append(np.repeat(seen + np.arange(len(wanted)), len(given)))
        seen += len(wanted)
    return np.concatenate(target), np.concatenate(source), np.concatenate(group)
