"""Inverted index over integer term ids: BM25 or TF-IDF cosine, with additions and removals at once.

Documents get rows 0, 1, 2, ... in the order they are added; a row is never given twice, so arrays
kept beside the index stay aligned. New documents live in a small recent segment that is merged
into the main one when it has grown. Which text a term id stands for is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Read:
    """Postings of a query's terms: row, count, and the place of the term in the query."""

    rows: NDArray[np.int32]
    counts: NDArray[np.uint8]
    terms: Ids


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
        self.add_scores(total, terms)
        return total

    def add_scores(self, total: Floats, terms: Ids, scale: float = 1.0) -> None:
        """Add ``scale`` times the score of every row to ``total``, shape ``(rows,)``."""
        unique, repeats = np.unique(terms, return_counts=True)
        factors = scale * self._factors(unique, repeats)
        for read in self._postings(unique):
            np.add.at(total, read.rows, self._weigh(read, factors))

    def coverage(self, terms: Ids) -> Floats:
        """Share of the query's idf mass that each row holds, 0..1, shape ``(rows,)``."""
        return self.scores_and_coverage(terms)[1]

    def scores_and_coverage(self, terms: Ids) -> tuple[Floats, Floats]:
        """``scores`` and ``coverage`` for one reading of the postings."""
        unique, repeats = np.unique(terms, return_counts=True)
        factors = self._factors(unique, repeats)
        idf = self.idf(unique)
        shares = (idf / max(float(idf.sum()), 1e-9)).astype(np.float32)
        total, coverage = np.zeros((2, self.rows), np.float32)
        for read in self._postings(unique):
            np.add.at(total, read.rows, self._weigh(read, factors))
            there = self._alive[read.rows] & (read.counts > 0)
            np.add.at(coverage, read.rows, shares[read.terms] * there)
        return total, coverage

    def known(self, terms: Ids) -> NDArray[np.bool_]:
        """Which terms stand in some living document, shape ``(terms,)``."""
        self._settle()
        df = np.zeros(len(terms))
        for segment in self._segments():
            where, found = _locate(segment, terms)
            df[found] += segment.df[where]
        return df > 0

    def search(self, terms: Ids, k: int) -> tuple[Ids, Floats]:
        """Rows of the best ``k`` documents with a positive score, best first, and the scores."""
        scores = self.scores(terms)
        order = best_rows(scores, k)
        return order, scores[order]

    def search_many(self, queries: Sequence[Ids], k: int) -> list[tuple[Ids, Floats]]:
        """``search`` for each query."""
        return [self.search(query, k) for query in queries]

    def idf(self, terms: Ids) -> NDArray[np.float64]:
        """Weight of terms as the index knows them now, rare ones high, shape ``(terms,)``."""
        self._settle()
        return self._weight_of(terms)

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
        )
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

    def _weight_of(self, terms: Ids) -> NDArray[np.float64]:
        df = np.zeros(len(terms))
        for segment in self._segments():
            where, found = _locate(segment, terms)
            df[found] += segment.df[where]
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
        idf = self._weight_of(segment.vocabulary).astype(np.float32)
        squares = np.zeros(self.rows)
        cuts = np.searchsorted(segment.starts, np.arange(0, len(segment.rows), _BLOCK))
        for first, last in pairwise(np.append(cuts, len(idf)).tolist()):
            start, end = segment.starts[first], segment.starts[last]
            weights = _LOGARITHMS[segment.counts[start:end]]
            weights *= np.repeat(idf[first:last], np.diff(segment.starts[first : last + 1]))
            squares += np.bincount(segment.rows[start:end], weights**2, minlength=self.rows)
        return squares

    def _factors(self, unique: Ids, repeats: NDArray[np.int64]) -> Floats:
        """What the query says of each of its terms."""
        idf = self.idf(unique)
        if self.weighting == "bm25":
            return np.asarray((self._k1 + 1.0) * repeats * idf, np.float32)
        query = (1.0 + np.log(repeats)) * idf
        return np.asarray(query * idf / max(float(np.linalg.norm(query)), 1e-9), np.float32)

    def _weigh(self, read: _Read, factors: Floats) -> Floats:
        """Part of the score in each posting."""
        norms = self._norms[read.rows]
        if self.weighting == "bm25":
            counts = read.counts.astype(np.float32)
            weights = counts / (counts + norms)
        else:
            weights = _LOGARITHMS[read.counts] * norms
        weights *= factors[read.terms]
        return weights

    def _postings(self, terms: Ids) -> Iterator[_Read]:
        """Postings of distinct terms, segment by segment."""
        self._settle()
        for segment in self._segments():
            where, found = _rarest(segment, *_locate(segment, terms))
            if not len(where):
                continue
            starts, ends = segment.starts[where], segment.starts[where + 1]
            # Slices are copied whole; an index of all their places would take four times as long.
            spans = [slice(*span) for span in zip(starts.tolist(), ends.tolist(), strict=True)]
            yield _Read(
                np.concatenate([segment.rows[span] for span in spans]),
                np.concatenate([segment.counts[span] for span in spans]),
                np.repeat(found, ends - starts),
            )


def _inverse_root(squares: NDArray[np.float64]) -> Floats:
    return np.where(squares > 0, 1.0 / np.sqrt(np.maximum(squares, 1e-12)), 0.0).astype(np.float32)


def _rarest(segment: _Segment, where: Ids, found: Ids) -> tuple[Ids, Ids]:
    """Terms whose postings fit the time of a query, rare ones first; they say most."""
    sizes = segment.starts[where + 1] - segment.starts[where]
    if int(sizes.sum()) <= _MOST_POSTINGS:
        return where, found
    order = np.argsort(sizes, kind="stable")
    fits = np.cumsum(sizes[order]) <= _MOST_POSTINGS
    fits[0] = True
    keep = np.sort(order[fits])
    return where[keep], found[keep]


def _locate(segment: _Segment, terms: Ids) -> tuple[Ids, Ids]:
    """Places of known terms in the vocabulary, and which of ``terms`` they are."""
    if not len(segment.vocabulary):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    where = np.minimum(np.searchsorted(segment.vocabulary, terms), len(segment.vocabulary) - 1)
    found = np.flatnonzero(segment.vocabulary[where] == terms)
    return where[found], found


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
    return _index(terms[order], rows[order], counts[order])


def _erase(segment: _Segment, gone: NDArray[np.bool_]) -> None:
    hit = gone[segment.rows] & (segment.counts > 0)
    if not hit.any():
        return
    segment.counts[hit] = 0
    owners = np.searchsorted(segment.starts, np.flatnonzero(hit), side="right") - 1
    segment.df -= np.bincount(owners, minlength=len(segment.df)).astype(np.int32)
