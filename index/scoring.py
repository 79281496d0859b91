"""Inner loops of lexical search, in C where it was compiled and in numpy where not.

Both give the same scores up to rounding; C takes a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import native
from index.packed import Packed
from index.postings import MOST_COUNT, Segment, locate
from index.selection import best_rows

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LOGARITHMS = np.append(0, 1 + np.log(np.arange(1, MOST_COUNT + 1))).astype(np.float32)
_SATURATED = np.empty(0, np.float32)  # in place of levels: BM25 has none


def compiled() -> bool:
    """The C part is there."""
    return native.library is not None


def weights(df: Doubles, living: int, *, bm25: bool) -> Doubles:
    """Idf of terms that stand in ``df`` of the ``living`` documents."""
    if bm25:
        return np.asarray(np.log(1.0 + (living - df + 0.5) / (df + 0.5)))
    return np.asarray(1.0 + np.log((1.0 + living) / (1.0 + df)))


def once_of(norms: Floats, *, bm25: bool) -> Floats:
    """What documents say of a term that they have once, by their norms."""
    return np.asarray(1.0 / (1.0 + norms), np.float32) if bm25 else norms


def document_counts(terms: Ids, segments: Sequence[Packed]) -> Doubles:
    """Number of documents that each term stands in, over all segments, shape ``(terms,)``.

    Raises:
        ValueError: the arrays of a segment do not fit each other.
    """
    df = np.zeros(len(terms))
    for segment in segments:
        segment.add_document_counts(terms, df)
    return df


def ask(
    total: Floats,
    segments: Sequence[Packed],
    terms: Ids,
    repeats: Ids,
    *,
    norms: Floats,
    once: Floats,
    living: int,
    k1: float | None,
    scale: float = 1.0,
) -> tuple[Doubles, Doubles]:
    """Add what documents say of a query to ``total``, in place; gives idf and document counts.

    Args:
        total: scores so far, ``(documents,)``.
        segments: postings, one or two.
        terms: of the query, distinct and sorted, ``(terms,)``.
        repeats: how often it has each.
        norms: of the documents, ``(documents,)``.
        once: what ``once_of`` gives for them.
        living: number of documents.
        k1: of BM25; None for the cosine.
        scale: factor on what is added.

    Raises:
        ValueError: the arrays do not fit each other.
    """
    levels = LOGARITHMS if k1 is None else None
    if native.library is not None:
        idf, df = np.empty(len(terms)), np.empty(len(terms))
        native.library.ask(
            total, norms, once, _SATURATED if levels is None else levels, terms, repeats, idf, df,
            k1 or 0.0, scale, living, *segments[0].arrays(),
            *(segments[1].arrays() if len(segments) > 1 else ()),
        )  # fmt: skip
        return idf, df
    df = document_counts(terms, segments)
    idf = weights(df, living, bm25=k1 is not None)
    if k1 is not None:
        factors = scale * (k1 + 1.0) * repeats * idf
    else:
        said = (1.0 + np.log(repeats)) * idf
        factors = scale / max(float(np.sqrt(said @ said)), 1e-9) * said * idf
    for segment in [segment.of(terms) for segment in segments]:
        where, which = locate(segment.vocabulary, terms)
        said_of = factors[which].astype(np.float32)
        _add_packed(total, segment, where, said_of, norms=norms, once=once, levels=levels)
    return idf, df


def _add_packed(
    total: Floats,
    segment: Packed,
    where: Ids,
    factors: Floats,
    *,
    norms: Floats,
    once: Floats,
    levels: Floats | None,
) -> None:
    """Add what the postings of some terms say, in numpy."""
    sizes, rows, counts = segment.pieces(where)
    end = len(rows) - len(counts)
    said = [once.take(rows[:end]), _impacts(counts, norms.take(rows[end:]), levels)]
    np.add.at(total, rows, np.concatenate(said) * np.repeat(np.tile(factors, 2), sizes.T.ravel()))


def add_scores(
    total: Floats,
    segment: Segment,
    where: Ids,
    *,
    factors: Floats,
    norms: Floats,
    levels: Floats | None = None,
) -> None:
    """Add what the postings of some terms say of documents to ``total``, in place.

    Args:
        total: scores so far, ``(documents,)``.
        segment: postings; a count of 0 adds nothing.
        where: places of the terms in its vocabulary, ``(terms,)``.
        factors: weight of each term, ``(terms,)``.
        norms: of the documents, ``(documents,)``.
        levels: None for ``count / (count + norm)``; else ``levels[count] * norm``, ``(256,)``.

    Raises:
        ValueError: the arrays do not fit each other.
    """
    if native.library is not None:
        said = _SATURATED if levels is None else levels
        arrays = segment.starts, segment.rows, segment.counts, where, factors
        native.library.add_scores(total, norms, said, *arrays)
        return
    sizes, rows, places = _slices(segment.starts, where, segment.rows)
    impacts = _impacts(segment.counts[places], norms.take(rows), levels)
    np.add.at(total, rows, impacts * np.repeat(factors, sizes))


def best_of_groups(values: Floats, starts: Ids) -> Floats:
    """Best of each group of values, at least 0, shape ``(groups,)``.

    Args:
        values: group by group, end to end.
        starts: of the groups, and the end, ``(groups + 1,)``.

    Raises:
        ValueError: the groups reach beyond the values.
    """
    best = np.zeros(len(starts) - 1, np.float32)
    if native.library is not None:
        native.library.best_of_groups(best, values, starts)
        return best
    if starts[-1] > len(values):
        raise ValueError("best, values and starts do not fit each other")
    some = np.flatnonzero(np.diff(starts))
    if len(some):
        best[some] = np.maximum(np.maximum.reduceat(values, starts[some]), 0.0)
    return best


def vote(likeness: Floats, best: Floats, starts: Ids, voters: int) -> Floats:
    """Share of the nearest questions that each passage owns, by squared likeness, ``(passages,)``.

    Args:
        likeness: of every question, passage by passage, ``(questions,)``.
        best: likeness of the nearest one of each passage, ``(passages,)``.
        starts: first question of each passage, and the end, ``(passages + 1,)``.
        voters: number of questions that vote, 64 at most.

    Raises:
        ValueError: the arrays do not fit each other.
    """
    votes = np.zeros(len(best), np.float32)
    if native.library is not None:
        native.library.vote(likeness, best, starts, votes, voters)
        return votes
    nearest = best_rows(likeness, voters)
    squares = likeness[nearest] ** 2
    owners = np.searchsorted(starts, nearest, side="right") - 1
    np.add.at(votes, owners, squares / max(float(squares.sum()), 1e-9))
    return votes


def add_scaled(total: Floats, values: Floats, weight: float, floor: float) -> None:
    """Add a ranker's scores, divided by its best but by no less than a floor, times its weight."""
    if native.library is not None:
        native.library.add_scaled(total, values, weight, floor)
        return
    total += values * np.float32(weight / max(float(values.max(initial=0.0)), floor))


def _impacts(counts: NDArray[np.uint8], norms: Floats, levels: Floats | None) -> Floats:
    """What documents say of their terms."""
    if levels is not None:
        return np.asarray(levels.take(counts) * norms, np.float32)
    impacts = counts.astype(np.float32)
    impacts /= impacts + norms
    return impacts


def _slices(
    starts: NDArray[np.integer], where: Ids, rows: NDArray[Any]
) -> tuple[Ids, NDArray[Any], Ids]:
    """How many postings some terms have, their rows end to end, and the places of these."""
    first = starts[where].astype(np.int64)
    sizes = starts[where + 1].astype(np.int64) - first
    if not len(where):
        return sizes, rows[:0], sizes
    places = np.repeat(first - np.cumsum(sizes) + sizes, sizes) + np.arange(int(sizes.sum()))
    return sizes, rows[places], places
