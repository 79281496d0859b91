"""Postings of an inverted index: which rows hold a term and how often; how a query reads them.

The rarest terms of a query are read for all rows. Common ones, which say little and take most of
the time, are looked up for the rows that are promising by the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_MOST_POSTINGS = 120_000  # read for all rows; beyond, terms are looked up for promising ones
# Terms in more than an eighth of the documents are looked up for promising documents alone where
# reading them would exceed this.
_FEW_POSTINGS = 10_000
_COMMON = 8
_TABLE_FROM = 2000  # documents
_ROW_BITS = 31
_ROW_MASK = (1 << _ROW_BITS) - 1
MOST_COUNT = 255  # of a term in a document; more of it changes no score by a hundredth


@dataclass(slots=True)
class Segment:
    """Postings sorted by (term, row)."""

    vocabulary: Ids  # (terms,) sorted
    starts: Ids  # (terms + 1,)
    df: NDArray[np.int32]  # (terms,) living documents
    rows: NDArray[np.int32]  # (postings,)
    counts: NDArray[np.uint8]  # (postings,) how often the term stands in the row; 0 once removed
    common: Ids  # places of terms in so many rows that their counts are kept by row as well
    table: NDArray[np.uint8]  # (rows, common) those counts


@dataclass(frozen=True, slots=True)
class _Part:
    """Terms of a query in one segment: which are read for all rows, which for chosen ones."""

    segment: Segment
    read: tuple[Ids, Ids]  # places in the vocabulary, and which terms of the query they are
    left: tuple[Ids, Ids]  # columns of the table of common terms, and which terms
    rest: tuple[Ids, Ids]  # places in the vocabulary and which terms, of those in no table


@dataclass(frozen=True, slots=True)
class Query:
    """The distinct terms of a query, looked up once for all that is asked of an index.

    Attributes:
        terms: sorted.
        idf: weight of each term.
        factors: what the query makes of a term's weight in a document.
        known: which of them stand in some living document.
    """

    terms: Ids
    idf: NDArray[np.float64]
    factors: Floats
    known: NDArray[np.bool_]
    _parts: tuple[_Part, ...]

    @property
    def whole(self) -> bool:
        """All terms are read for all rows."""
        return not any(len(part.left[0]) or len(part.rest[0]) for part in self._parts)

    def postings(self) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8], Floats]]:
        """Row, count and factor of what is read for all rows, segment by segment."""
        for part in self._parts:
            where, which = part.read
            if not len(where):
                continue
            segment = part.segment
            starts, ends = segment.starts[where], segment.starts[where + 1]
            # Slices are copied whole; an index of all their places would take four times as long.
            spans = list(map(slice, starts.tolist(), ends.tolist()))
            yield (
                np.concatenate([segment.rows[span] for span in spans]),
                np.concatenate([segment.counts[span] for span in spans]),
                np.repeat(self.factors[which], ends - starts),
            )

    def left(self, rows: Ids) -> Iterator[tuple[Ids, NDArray[np.uint8], Floats]]:
        """Places in ``rows``, counts ``(places, terms)`` and factors of what is not."""
        for part in self._parts:
            columns, which = part.left
            if len(columns):
                there = np.flatnonzero(rows < len(part.segment.table))
                # Whole rows first: memory is read in a line, not picked from all over it.
                yield there, part.segment.table[rows[there]][:, columns], self.factors[which]
            where, which = part.rest
            if len(where):
                yield np.arange(len(rows)), _pick(part.segment, where, rows), self.factors[which]


def read_part(segment: Segment, where: Ids, found: Ids, *, whole: bool) -> _Part:
    """Which terms are read: the rarest, which say most, as far as the time of a query goes."""
    nothing = np.empty(0, np.int64)
    sizes = segment.starts[where + 1] - segment.starts[where]
    enough = _MOST_POSTINGS if whole else _FEW_POSTINGS
    if int(sizes.sum()) <= enough:
        return _Part(segment, (where, found), (nothing, nothing), (nothing, nothing))
    order = np.argsort(sizes, kind="stable")
    where, found = where[order], found[order]
    read = np.cumsum(sizes[order])
    column = np.searchsorted(segment.common, where)
    tabled = np.zeros(len(where), bool)
    inside = column < len(segment.common)
    tabled[inside] = segment.common[column[inside]] == where[inside]
    kept = np.where(tabled, read <= enough, read <= _MOST_POSTINGS)
    kept[0] = True
    left, rest = ~kept & tabled, ~kept & ~tabled
    return _Part(
        segment,
        (where[kept], found[kept]),
        (column[left], found[left]),
        (where[rest], found[rest]),
    )


def _pick(segment: Segment, where: Ids, rows: Ids) -> NDArray[np.uint8]:
    """Counts of terms in a few rows, shape ``(rows, terms)``."""
    # In their order a search goes on where the last one ended, and of the postings' kind, or those
    # would be copied.
    order = np.argsort(rows)
    wanted = rows[order].astype(np.int32)
    starts, ends = segment.starts[where], segment.starts[where + 1]
    at = np.empty((len(where), len(rows)), np.int64)
    for found, start, end in zip(at, starts.tolist(), ends.tolist(), strict=True):
        found[:] = segment.rows[start:end].searchsorted(wanted)
    at += starts[:, None]
    np.minimum(at, ends[:, None] - 1, out=at)
    counts = np.empty((len(rows), len(where)), np.uint8)
    counts[order] = (segment.counts.take(at) * (segment.rows.take(at) == wanted)).T
    return counts


def document_counts(size: int, places: Sequence[tuple[Segment, Ids, Ids]]) -> NDArray[np.float64]:
    """Number of documents that each term stands in, over all segments."""
    df = np.zeros(size)
    for segment, where, found in places:
        df[found] += segment.df[where]
    return df


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Distinct values, sorted; ``np.unique`` without what surrounds it."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def count_terms(terms: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Distinct terms, sorted, and how often each stands there; ``np.unique`` at half the price."""
    if not len(terms):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ordered = np.sort(terms)
    first = np.ones(len(ordered) + 1, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    return ordered[starts[:-1]], np.diff(starts)


def locate(segment: Segment, terms: Ids) -> tuple[Ids, Ids]:
    """Places of known terms in the vocabulary, and which of ``terms`` they are."""
    if not len(segment.vocabulary):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    where = np.minimum(np.searchsorted(segment.vocabulary, terms), len(segment.vocabulary) - 1)
    found = np.flatnonzero(segment.vocabulary[where] == terms)
    return where[found], found


def tabled(segment: Segment) -> Segment:
    """The segment with a table of its common terms, for which a document has a byte each."""
    height = int(segment.rows.max(initial=-1)) + 1
    if height < _TABLE_FROM:
        return segment
    common = np.flatnonzero(np.diff(segment.starts) * _COMMON > height)
    table = np.zeros((height, len(common)), np.uint8)
    for column, place in enumerate(common.tolist()):
        span = slice(segment.starts[place], segment.starts[place + 1])
        table[segment.rows[span], column] = segment.counts[span]
    return replace(segment, common=common, table=table)


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
    vocabulary: Ids, df: Ids, rows: NDArray[np.int32], counts: NDArray[np.uint8]
) -> Segment:
    """Postings sorted by (term, row), one a pair, and how many each term has."""
    return Segment(
        vocabulary,
        np.append(0, np.cumsum(df)).astype(np.int64),
        df.astype(np.int32),
        rows,
        counts,
        np.empty(0, np.int64),
        np.empty((0, 0), np.uint8),
    )


def merge_segments(main: Segment, recent: Segment) -> Segment:
    """Both segments as one, without the postings of removed rows.

    Recent rows are always higher: of each term first come the postings of the one, then of the
    other.
    """
    parts = [_living(main), _living(recent)]
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
    return tabled(_segment(vocabulary, sizes.sum(axis=1), rows, counts))


def _living(segment: Segment) -> Segment:
    """The segment without the postings of removed rows and the terms that only they had."""
    living = segment.counts > 0
    if living.all():
        return segment
    kept = np.append(0, np.cumsum(living))[segment.starts]
    df = np.diff(kept)
    some = df > 0
    return _segment(
        segment.vocabulary[some], df[some], segment.rows[living], segment.counts[living]
    )


def erase(segment: Segment, gone: NDArray[np.bool_]) -> None:
    """Take the postings of removed rows out of the counts, in place."""
    hit = gone[segment.rows] & (segment.counts > 0)
    if not hit.any():
        return
    segment.counts[hit] = 0
    owners = np.searchsorted(segment.starts, np.flatnonzero(hit), side="right") - 1
    segment.df -= np.bincount(owners, minlength=len(segment.df)).astype(np.int32)
