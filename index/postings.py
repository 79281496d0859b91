"""Postings of an inverted index: which rows hold a term and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_ROW_BITS = 31
_ROW_MASK = (1 << _ROW_BITS) - 1
MOST_COUNT = 255  # of a term in a document; more of it changes no score by a hundredth


class Segment(msgspec.Struct):
    """Postings sorted by (term, row)."""

    vocabulary: Ids  # (terms,) sorted
    starts: Ids  # (terms + 1,)
    df: NDArray[np.int32]  # (terms,) living documents
    rows: NDArray[np.int32]  # (postings,)
    counts: NDArray[np.uint8]  # (postings,) how often the term stands in the row; 0 once removed

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of it, in this order."""
        return self.vocabulary, self.starts, self.df, self.rows, self.counts


class Query(msgspec.Struct, frozen=True):
    """The distinct terms of a query, as an index knows them.

    Attributes:
        terms: sorted.
        idf: weight of each term.
        df: number of living documents that hold each.
    """

    terms: Ids
    idf: NDArray[np.float64]
    df: NDArray[np.float64]


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Distinct values, sorted; ``np.unique`` without what surrounds it."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def count_terms(terms: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Distinct terms, sorted, and how often each stands there; ``np.unique`` at half the price."""
    if not len(terms):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ordered = np.sort(terms)
    if native.library is not None:
        unique, repeats = np.empty((2, len(terms)), np.int64)
        kept = native.library.count_terms(ordered, unique, repeats)
        return unique[:kept], repeats[:kept]
    first = np.ones(len(ordered) + 1, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    return ordered[starts[:-1]], np.diff(starts)


def locate(vocabulary: Ids, terms: Ids) -> tuple[Ids, Ids]:
    """Places of known terms in a vocabulary, and which of ``terms`` they are."""
    if not len(vocabulary):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    where = np.minimum(np.searchsorted(vocabulary, terms), len(vocabulary) - 1)
    found = np.flatnonzero(vocabulary[where] == terms)
    return where[found], found


def build_segment(rows: Sequence[int], documents: Sequence[Ids]) -> Segment:
    """A segment of documents, term ids with repeats, each with its row; rows rise."""
    terms = np.concatenate(documents) if documents else np.empty(0, np.int64)
    vocabulary = distinct(terms)
    sizes = np.fromiter(map(len, documents), np.int64, len(documents))
    # Term and row in one number: numbers without a payload sort several times as fast.
    keys = np.searchsorted(vocabulary, terms) if len(vocabulary) else terms
    keys <<= _ROW_BITS
    keys |= np.repeat(np.asarray(rows, np.int64), sizes)
    keys.sort()
    first = np.ones(len(keys) + 1, bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:-1])
    places = np.flatnonzero(first)
    counts = np.minimum(np.diff(places), MOST_COUNT).astype(np.uint8)
    keys = keys[places[:-1]]
    df = np.bincount(keys >> _ROW_BITS, minlength=len(vocabulary))
    return _segment(vocabulary, df, (keys & _ROW_MASK).astype(np.int32), counts)


def _segment(
    vocabulary: Ids, df: NDArray[np.integer], rows: NDArray[np.int32], counts: NDArray[np.uint8]
) -> Segment:
    """Postings sorted by (term, row), one a pair, and how many each term has."""
    return Segment(
        vocabulary,
        np.append(0, np.cumsum(df)).astype(np.int64),
        df.astype(np.int32),
        rows,
        counts,
    )


def merge_segments(main: Segment, recent: Segment) -> Segment:
    """Both segments as one, without the postings of removed rows.

    Recent rows are always higher: of each term first come the postings of the one, then of the
    other.
    """
    parts = [compacted(main), compacted(recent)]
    vocabulary = distinct(np.concatenate([part.vocabulary for part in parts]))
    sizes = np.zeros((len(vocabulary), 2), np.int64)
    for column, part in enumerate(parts):
        sizes[np.searchsorted(vocabulary, part.vocabulary), column] = np.diff(part.starts)
    older = np.repeat(np.tile([True, False], len(vocabulary)), sizes.ravel())
    rows = np.empty(len(older), np.int32)
    counts = np.empty(len(older), np.uint8)
    for part, own in ((parts[0], older), (parts[1], ~older)):
        rows[own] = part.rows
        counts[own] = part.counts
    return _segment(vocabulary, sizes.sum(axis=1), rows, counts)


def compacted(segment: Segment) -> Segment:
    """The segment without the postings of removed rows and the terms that only they had."""
    living = segment.counts > 0
    if living.all():
        return segment
    some = segment.df > 0
    return _segment(
        segment.vocabulary[some], segment.df[some], segment.rows[living], segment.counts[living]
    )


def erase(segment: Segment, gone: NDArray[np.bool_]) -> None:
    """Take the postings of removed rows out of the counts, in place."""
    hit = gone[segment.rows] & (segment.counts > 0)
    if not hit.any():
        return
    segment.counts[hit] = 0
    owners = np.searchsorted(segment.starts, np.flatnonzero(hit), side="right") - 1
    segment.df -= np.bincount(owners, minlength=len(segment.df)).astype(np.int32)
