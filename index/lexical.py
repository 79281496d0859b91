"""Inverted index over integer term ids: BM25 or TF-IDF cosine, with additions and removals at once.

Documents get rows 0, 1, 2, ... in the order they are added; a row is never given twice, so arrays
kept beside the index stay aligned. New documents live in a small recent segment that is merged
into the main one when it has grown. Which text a term id stands for is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.selection import best_rows

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Weighting = Literal["bm25", "cosine"]

_EXACT_BELOW = 2000  # up to so many documents every change refreshes all weights
_MOST_POSTINGS = 120_000  # read for one query; beyond, the most common terms are left out
# Terms in more than an eighth of the documents are looked up for promising documents alone where
# reading them would exceed this.
_FEW_POSTINGS = 10_000
_COMMON = 8
_TABLE_FROM = 2000  # documents
_MOST_COUNT = 255  # of a term in a document; more of it changes no score by a hundredth
_LOGARITHMS = np.append(0, 1 + np.log(np.arange(1, _MOST_COUNT + 1))).astype(np.float32)
_BLOCK = 4_000_000  # postings measured at once
_RECENT = 256  # documents kept apart before a merge, or a fiftieth of all if more


@dataclass(slots=True)
class _Segment:
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

    segment: _Segment
    read: tuple[Ids, Ids]  # places in the vocabulary, and which terms of the query they are
    left: tuple[Ids, Ids]  # columns of the table of common terms, and which terms
    rest: tuple[Ids, Ids]  # places in the vocabulary and which terms, of those in no table


@dataclass(frozen=True, slots=True)
class Query:
    """The distinct terms of a query, looked up once for all that is asked of an index.

    Attributes:
        idf: weight of each term.
        repeats: how often each stands in the query.
        known: which of them stand in some living document.
    """

    idf: NDArray[np.float64]
    repeats: NDArray[np.int64]
    known: NDArray[np.bool_]
    _parts: tuple[_Part, ...]

    def postings(
        self, factors: Floats
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.uint8], Floats]]:
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
                np.repeat(factors[which], ends - starts),
            )

    def left(self, factors: Floats, rows: Ids) -> Iterator[tuple[Ids, NDArray[np.uint8], Floats]]:
        """Places in ``rows``, counts ``(places, terms)`` and factors of what is not."""
        for part in self._parts:
            columns, which = part.left
            if len(columns):
                there = np.flatnonzero(rows < len(part.segment.table))
                # Whole rows first: memory is read in a line, not picked from all over it.
                yield there, part.segment.table[rows[there]][:, columns], factors[which]
            where, which = part.rest
            if len(where):
                yield np.arange(len(rows)), _pick(part.segment, where, rows), factors[which]


class LexicalIndex:
    """Scores documents by shared terms.

    Source: BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, with
    the +1 inside the logarithm that keeps idf positive. Cosine: (1 + ln tf) idf, unit length, with
    idf = 1 + ln((1 + N) / (1 + df)); terms that no document has count in the query's length, so
    that 1 means "the same words" and not "the same known words".

    Args:
        weighting: the formula.
        k1: saturation of repeated terms (BM25).
        b: length normalisation, 0 none, 1 full (BM25).
    """

    def __init__(self, weighting: Weighting = "bm25", *, k1: float = 1.2, b: float = 0.75) -> None:
        self.weighting: Weighting = weighting
        self._k1 = k1
        self._b = b
        self._lengths = np.zeros(0, np.float32)
        self._alive = np.zeros(0, bool)
        self._main = _build([], [])
        self._recent: _Segment | None = None
        self._pending: dict[int, Ids] = {}
        self._gone: list[int] = []  # removed rows whose postings are still there
        self._stale = False
        # By row, BM25: what a count is compared with; cosine: one by the document's length. That of
        # a removed row makes its scores 0, since its postings may wait to be erased together.
        self._norms = np.zeros(0, np.float32)
        self._measured_at = 0

    def __len__(self) -> int:
        """Number of living documents."""
        return int(self._alive.sum())

    @property
    def rows(self) -> int:
        """Number of rows ever given, the length of ``scores``."""
        return len(self._lengths)

    def add(self, documents: Sequence[Ids]) -> Ids:
        """Add documents (term ids with repeats) and give their rows."""
        first = self.rows
        rows = np.arange(first, first + len(documents), dtype=np.int64)
        lengths = np.fromiter((len(d) for d in documents), np.float32, len(documents))
        self._lengths = np.concatenate([self._lengths, lengths])
        self._alive = np.concatenate([self._alive, np.ones(len(documents), bool)])
        self._pending.update(zip(rows.tolist(), documents, strict=True))
        self._recent = None
        self._stale = True
        return rows

    def remove(self, rows: Sequence[int] | Ids) -> None:
        """Forget documents at once; rows that are unknown or already gone are passed over."""
        wanted = np.asarray(rows, np.int64)
        wanted = wanted[(wanted >= 0) & (wanted < self.rows)]
        wanted = np.unique(wanted[self._alive[wanted]])
        if not len(wanted):
            return
        self._alive[wanted] = False
        self._gone += [row for row in wanted.tolist() if self._pending.pop(row, None) is None]
        self._recent = None
        self._stale = True

    def scores(self, terms: Ids) -> Floats:
        """Score of every row for a query, shape ``(rows,)``; 0 where nothing is shared."""
        total = np.zeros(self.rows, np.float32)
        self.add_scores(total, self.look_up(terms, whole=True))
        return total

    def look_up(self, terms: Ids, *, whole: bool = False) -> Query:
        """What is known of a query's terms; good until the index changes.

        Args:
            terms: with repeats.
            whole: read common terms for all rows, not for those alone that are completed.
        """
        self._settle()
        unique, repeats = _count(terms)
        places = self._places(unique)
        df = _documents(len(unique), places)
        parts = tuple(_part(*place, whole=whole) for place in places)
        return Query(self._weights(df), repeats, df > 0, parts)

    def idf(self, terms: Ids) -> NDArray[np.float64]:
        """Weight of terms as the index knows them now, rare ones high, shape ``(terms,)``."""
        self._settle()
        return self._weights(_documents(len(terms), self._places(terms)))

    def add_scores(self, total: Floats, query: Query, scale: float = 1.0) -> None:
        """Add ``scale`` times the score of every row to ``total``, shape ``(rows,)``.

        The part of common terms may be left to ``complete``.
        """
        for rows, counts, factors in query.postings(self._factors(query, scale)):
            np.add.at(total, rows, self._impacts(counts, self._norms.take(rows)) * factors)

    def complete(self, total: Floats, query: Query, rows: Ids, scale: float = 1.0) -> None:
        """Add what ``add_scores`` has left out, for distinct ``rows``."""
        for there, counts, factors in query.left(self._factors(query, scale), rows):
            norms = self._norms[rows[there], None]
            total[rows[there]] += self._impacts(counts, norms) @ factors

    def coverage(self, query: Query, rows: Ids) -> Floats:
        """Share of the query's idf mass that each of ``rows`` holds, 0..1."""
        shares = (query.idf / max(float(query.idf.sum()), 1e-9)).astype(np.float32)
        held = np.zeros(self.rows, np.float32)
        for owners, counts, factors in query.postings(shares):
            np.add.at(held, owners, (counts > 0) * factors)
        found = held[rows]
        for there, counts, factors in query.left(shares, rows):
            found[there] += (counts > 0) @ factors
        return np.where(self._alive[rows], found, np.float32(0.0))

    def _factors(self, query: Query, scale: float) -> Floats:
        """What the query says of each of its terms."""
        if self.weighting == "bm25":
            return (scale * (self._k1 + 1.0) * query.repeats * query.idf).astype(np.float32)
        weights = (1.0 + np.log(query.repeats)) * query.idf
        length = max(float(np.linalg.norm(weights)), 1e-9)
        return np.asarray(scale / length * weights * query.idf, np.float32)

    def _impacts(self, counts: NDArray[np.uint8], norms: Floats) -> Floats:
        """What documents say of their terms."""
        if self.weighting == "bm25":
            impacts = counts.astype(np.float32)
            impacts /= impacts + norms
            return impacts
        impacts = _LOGARITHMS.take(counts)
        impacts *= norms
        return impacts

    def search(self, terms: Ids, k: int) -> tuple[Ids, Floats]:
        """Rows of the best ``k`` documents with a positive score, best first, and the scores."""
        scores = self.scores(terms)
        order = best_rows(scores, k)
        return order, scores[order]

    def search_many(self, queries: Sequence[Ids], k: int) -> list[tuple[Ids, Floats]]:
        """``search`` for each query."""
        return [self.search(query, k) for query in queries]

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as plain arrays."""
        self._settle(merge=True)
        return {
            "vocabulary": self._main.vocabulary,
            "starts": self._main.starts,
            "df": self._main.df,
            "rows": self._main.rows,
            "counts": self._main.counts,
            "lengths": self._lengths,
            "alive": self._alive.astype(np.uint8),
            "parameters": np.asarray([self._k1, self._b, float(self.weighting == "bm25")]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> LexicalIndex:
        """The index that ``to_arrays`` described."""
        k1, b, is_bm25 = (float(value) for value in arrays["parameters"].tolist())
        index = cls("bm25" if is_bm25 else "cosine", k1=k1, b=b)
        index._lengths = arrays["lengths"].astype(np.float32)
        index._alive = arrays["alive"].astype(bool)
        index._main = _Segment(
            arrays["vocabulary"].astype(np.int64),
            arrays["starts"].astype(np.int64),
            arrays["df"].astype(np.int32),
            arrays["rows"].astype(np.int32),
            arrays["counts"].astype(np.uint8),
            np.empty(0, np.int64),
            np.empty((0, 0), np.uint8),
        )
        index._main = _tabled(index._main)
        index._stale = True
        index._measured_at = -len(index) - 1
        return index

    def _settle(self, *, merge: bool = False) -> None:
        """Bring segments and norms up to date with the additions and removals so far."""
        if not (self._stale or (merge and (self._pending or self._gone))):
            return
        living = len(self)
        if self._gone and (merge or living < _EXACT_BELOW or len(self._gone) * 20 > living):
            gone = np.zeros(self.rows, bool)
            gone[self._gone] = True
            _erase(self._main, gone)
            self._gone = []
        if self._pending and (merge or len(self._pending) > max(_RECENT, self.rows // 50)):
            fresh = _build(list(self._pending), list(self._pending.values()))
            self._main = _merge(self._main, fresh)
            self._measured_at = -len(self) - 1
            self._pending = {}
            self._recent = None
        if self._pending and self._recent is None:
            self._recent = _build(list(self._pending), list(self._pending.values()))
        self._measure()
        self._stale = False

    def _segments(self) -> list[_Segment]:
        return [self._main] if self._recent is None else [self._main, self._recent]

    def _places(self, terms: Ids) -> tuple[tuple[_Segment, Ids, Ids], ...]:
        return tuple((segment, *_locate(segment, terms)) for segment in self._segments())

    def _weights(self, df: NDArray[np.float64]) -> NDArray[np.float64]:
        """Idf of terms that stand in so many documents."""
        total = len(self)
        if self.weighting == "bm25":
            return np.asarray(np.log(1.0 + (total - df + 0.5) / (df + 0.5)))
        return np.asarray(1.0 + np.log((1.0 + total) / (1.0 + df)))

    def _measure(self) -> None:
        """Refresh the norms; those of a large cosine index only where they have drifted.

        Idf moves little with one more document, and measuring a large main segment takes tens of
        milliseconds, so there it waits for a change of a twentieth.
        """
        if self.weighting == "bm25":
            mean = float(self._lengths[self._alive].mean()) if self._alive.any() else 1.0
            share = self._b * self._lengths / max(mean, 1e-9)
            norms = self._k1 * (1.0 - self._b + share) + 1e-9
            self._norms = np.where(self._alive, norms, np.inf).astype(np.float32)
            return
        living = len(self)
        first = len(self._norms)
        self._norms = np.concatenate([self._norms, np.zeros(self.rows - first, np.float32)])
        if living < _EXACT_BELOW or abs(living - self._measured_at) * 20 > living:
            self._measured_at = living
            squares = self._squares(self._main)
            if self._recent is not None:
                squares += self._squares(self._recent)
            self._norms = _inverse_root(squares)
        elif self._recent is not None:
            squares = self._squares(self._recent)
            self._norms = np.where(squares > 0, _inverse_root(squares), self._norms)
        self._norms[~self._alive] = 0.0

    def _squares(self, segment: _Segment) -> NDArray[np.float64]:
        """Squared length of every row's weights, as far as the segment holds them."""
        vocabulary = segment.vocabulary
        df = _documents(len(vocabulary), self._places(vocabulary))
        idf = self._weights(df).astype(np.float32)
        squares = np.zeros(self.rows)
        cuts = np.searchsorted(segment.starts, np.arange(0, len(segment.rows), _BLOCK))
        for first, last in pairwise(np.append(cuts, len(idf)).tolist()):
            start, end = segment.starts[first], segment.starts[last]
            weights = _LOGARITHMS[segment.counts[start:end]]
            weights *= np.repeat(idf[first:last], np.diff(segment.starts[first : last + 1]))
            squares += np.bincount(segment.rows[start:end], weights**2, minlength=self.rows)
        return squares


def _inverse_root(squares: NDArray[np.float64]) -> Floats:
    return np.where(squares > 0, 1.0 / np.sqrt(np.maximum(squares, 1e-12)), 0.0).astype(np.float32)


def _part(segment: _Segment, where: Ids, found: Ids, *, whole: bool) -> _Part:
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


def _pick(segment: _Segment, where: Ids, rows: Ids) -> NDArray[np.uint8]:
    """Counts of terms in a few rows, shape ``(rows, terms)``."""
    counts = np.zeros((len(rows), len(where)), np.uint8)
    wanted = rows.astype(np.int32)  # of the postings' kind, or those would be copied
    starts, ends = segment.starts[where].tolist(), segment.starts[where + 1].tolist()
    for column, (start, end) in enumerate(zip(starts, ends, strict=True)):
        owners = segment.rows[start:end]
        at = np.minimum(owners.searchsorted(wanted), end - start - 1)
        counts[:, column] = segment.counts[start + at] * (owners[at] == wanted)
    return counts


def _documents(size: int, places: Sequence[tuple[_Segment, Ids, Ids]]) -> NDArray[np.float64]:
    """Number of documents that each term stands in, over all segments."""
    df = np.zeros(size)
    for segment, where, found in places:
        df[found] += segment.df[where]
    return df


def _count(terms: Ids) -> tuple[Ids, NDArray[np.int64]]:
    """Distinct terms, sorted, and how often each stands there; ``np.unique`` at half the price."""
    if not len(terms):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ordered = np.sort(terms)
    first = np.ones(len(ordered) + 1, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:-1])
    starts = np.flatnonzero(first)
    return ordered[starts[:-1]], np.diff(starts)


def _locate(segment: _Segment, terms: Ids) -> tuple[Ids, Ids]:
    """Places of known terms in the vocabulary, and which of ``terms`` they are."""
    if not len(segment.vocabulary):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    where = np.minimum(np.searchsorted(segment.vocabulary, terms), len(segment.vocabulary) - 1)
    found = np.flatnonzero(segment.vocabulary[where] == terms)
    return where[found], found


def _tabled(segment: _Segment) -> _Segment:
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


def _build(rows: Sequence[int], documents: Sequence[Ids]) -> _Segment:
    sizes = [len(document) for document in documents]
    terms = np.concatenate(documents) if documents else np.empty(0, np.int64)
    owners = np.repeat(np.asarray(rows, np.int32), sizes)
    order = np.lexsort((owners, terms))
    terms, owners = terms[order], owners[order]
    first = np.ones(len(terms), bool)
    first[1:] = (terms[1:] != terms[:-1]) | (owners[1:] != owners[:-1])
    places = np.flatnonzero(first)
    counts = np.minimum(np.diff(np.append(places, len(terms))), _MOST_COUNT).astype(np.uint8)
    return _index(terms[places], owners[places], counts)


def _index(terms: Ids, rows: NDArray[np.int32], counts: NDArray[np.uint8]) -> _Segment:
    """A segment of postings already sorted by (term, row), one a pair."""
    vocabulary, starts, df = np.unique(terms, return_index=True, return_counts=True)
    return _Segment(
        vocabulary,
        np.append(starts, len(terms)).astype(np.int64),
        df.astype(np.int32),
        rows,
        counts,
        np.empty(0, np.int64),
        np.empty((0, 0), np.uint8),
    )


def _merge(main: _Segment, recent: _Segment) -> _Segment:
    """Both segments as one, without the postings of removed rows."""
    parts = [main, recent]
    terms = np.concatenate([np.repeat(p.vocabulary, np.diff(p.starts)) for p in parts])
    rows = np.concatenate([p.rows for p in parts])
    counts = np.concatenate([p.counts for p in parts])
    living = counts > 0
    terms, rows, counts = terms[living], rows[living], counts[living]
    # Recent rows are always higher, so a stable sort by term alone keeps rows in order; timsort
    # finds the two sorted runs, which makes this a linear merge.
    order = np.argsort(terms, kind="stable")
    return _tabled(_index(terms[order], rows[order], counts[order]))


def _erase(segment: _Segment, gone: NDArray[np.bool_]) -> None:
    hit = gone[segment.rows] & (segment.counts > 0)
    if not hit.any():
        return
    segment.counts[hit] = 0
    owners = np.searchsorted(segment.starts, np.flatnonzero(hit), side="right") - 1
    segment.df -= np.bincount(owners, minlength=len(segment.df)).astype(np.int32)
