"""Inverted index over integer term ids: BM25 or TF-IDF cosine, with additions and removals at once.

Documents get rows 0, 1, 2, ... in the order they are added; a row is never given twice, so arrays
kept beside the index stay aligned. New documents live in a small recent segment that is merged
into the main one when it has grown. Which text a term id stands for is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Weighting = Literal["bm25", "cosine"]

_EXACT_BELOW = 2000  # up to so many documents every change refreshes all weights
_MOST_POSTINGS = 120_000  # read for one query; beyond, the most common terms are left out
_RECENT = 256  # documents kept apart before a merge, or a fiftieth of all if more


@dataclass(slots=True)
class _Segment:
    """Postings sorted by (term, row)."""

    vocabulary: Ids  # (terms,) sorted
    starts: Ids  # (terms + 1,)
    df: NDArray[np.int32]  # (terms,) living documents
    rows: NDArray[np.int32]  # (postings,)
    counts: Floats  # (postings,) how often the term stands in the row; 0 once removed
    weights: Floats  # (postings,) the document's part of the score


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
        self._weighed_at = 0

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
        self._settle()
        if not len(terms) or not self.rows:
            return np.zeros(self.rows, np.float32)
        unique, repeats = np.unique(terms, return_counts=True)
        idf = self._weight_of(unique)
        if self.weighting == "bm25":
            factors = repeats * idf
        else:
            query = (1.0 + np.log(repeats)) * idf
            factors = query * idf / max(float(np.linalg.norm(query)), 1e-9)
        return self._sum(unique, factors)

    def coverage(self, terms: Ids) -> Floats:
        """Share of the query's idf mass that each row holds, 0..1, shape ``(rows,)``."""
        self._settle()
        if not len(terms) or not self.rows:
            return np.zeros(self.rows, np.float32)
        unique = np.unique(terms)
        idf = self._weight_of(unique)
        return self._sum(unique, idf / max(float(idf.sum()), 1e-9), presence=True)

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
        k = min(k, len(scores))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        part = np.argpartition(-scores, k - 1)[:k]
        order = part[np.lexsort((part, -scores[part]))]
        order = order[scores[order] > 0]
        return order.astype(np.int64), scores[order]

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
        counts = arrays["counts"].astype(np.float32)
        index._main = _Segment(
            arrays["vocabulary"].astype(np.int64),
            arrays["starts"].astype(np.int64),
            arrays["df"].astype(np.int32),
            arrays["rows"].astype(np.int32),
            counts,
            np.zeros_like(counts),
        )
        index._stale = True
        index._weighed_at = -len(index) - 1
        return index

    def _settle(self, *, merge: bool = False) -> None:
        """Bring segments and weights up to date with the additions and removals so far."""
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
            self._weighed_at = -len(self) - 1
            self._pending = {}
            self._recent = None
        if self._pending and self._recent is None:
            self._recent = _build(list(self._pending), list(self._pending.values()))
        self._weigh()
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

    def _weigh(self) -> None:
        """Refresh the recent weights, and the main ones where they have drifted.

        Mean length and idf move little with one more document, and weighing a large main segment
        takes tens of milliseconds, so there it waits for a change of a twentieth.
        """
        living = len(self)
        if living < _EXACT_BELOW or abs(living - self._weighed_at) * 20 > living:
            self._weigh_segment(self._main)
            self._weighed_at = living
        if self._recent is not None:
            self._weigh_segment(self._recent)

    def _weigh_segment(self, segment: _Segment) -> None:
        tf = segment.counts
        if self.weighting == "bm25":
            mean = float(self._lengths[self._alive].mean()) if self._alive.any() else 1.0
            norm = self._k1 * (1.0 - self._b + self._b * self._lengths / max(mean, 1e-9))
            share = tf / (tf + norm[segment.rows] + 1e-9)
            segment.weights = ((self._k1 + 1.0) * share).astype(np.float32)
            return
        idf = self._weight_of(segment.vocabulary).astype(np.float32)
        weights = np.where(tf > 0, 1.0 + np.log(np.maximum(tf, 1.0)), 0.0).astype(np.float32)
        full = weights * np.repeat(idf, np.diff(segment.starts))
        squares = np.bincount(segment.rows, full * full, minlength=self.rows)
        lengths = np.sqrt(np.maximum(squares, 1e-12)).astype(np.float32)
        segment.weights = weights / lengths[segment.rows]

    def _sum(self, terms: Ids, factors: NDArray[np.float64], *, presence: bool = False) -> Floats:
        total = np.zeros(self.rows)
        for segment in self._segments():
            where, found = _locate(segment, terms)
            if not len(where):
                continue
            where, found = _rarest(segment, where, found)
            starts = segment.starts[where]
            sizes = segment.starts[where + 1] - starts
            # Positions of all postings of all found terms, without a Python loop.
            shift = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
            at = shift + np.arange(len(shift))
            weights = segment.counts[at] > 0 if presence else segment.weights[at]
            total += np.bincount(
                segment.rows[at], weights * np.repeat(factors[found], sizes), minlength=self.rows
            )
        # Postings of removed rows may wait to be erased together.
        return np.where(self._alive, total, 0.0).astype(np.float32)


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
    counts = np.diff(np.append(places, len(terms))).astype(np.float32)
    return _index(terms[places], owners[places], counts)


def _index(terms: Ids, rows: NDArray[np.int32], counts: Floats) -> _Segment:
    """A segment of postings already sorted by (term, row), one a pair."""
    vocabulary, starts, df = np.unique(terms, return_index=True, return_counts=True)
    return _Segment(
        vocabulary,
        np.append(starts, len(terms)).astype(np.int64),
        df.astype(np.int32),
        rows,
        counts,
        np.zeros_like(counts),
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
    segment.weights[hit] = 0
    owners = np.searchsorted(segment.starts, np.flatnonzero(hit), side="right") - 1
    segment.df -= np.bincount(owners, minlength=len(segment.df)).astype(np.int32)
