"""Inverted index over integer term ids: BM25 or TF-IDF cosine, with additions and removals at once.

Documents get rows 0, 1, 2, ... in the order they are added; a row is never given twice, so arrays
kept beside the index stay aligned. New documents live in a small recent segment that is merged
into the main one when it has grown. Which text a term id stands for is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from index.packed import Packed, erase, pack, unpack
from index.postings import Query, build_segment, count_terms, merge_segments
from index.scoring import LOGARITHMS, ask, document_counts, once_of, weights
from index.selection import best_rows

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Weighting = Literal["bm25", "cosine"]

_EXACT_BELOW = 2000  # up to so many documents every change refreshes all weights
_BLOCK = 1_000_000  # postings measured at once
_MOST_WAITING = 16_000_000  # terms kept apart, searched or not: they are eight bytes each
_RECENT = 256  # documents kept apart before a merge, or a fiftieth of all if more


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
        self._living = 0
        self._main = pack(build_segment([], []))
        self._recent: Packed | None = None
        self._pending: dict[int, Ids] = {}
        self._waiting = 0  # terms added since the last merge
        self._gone: list[int] = []  # removed rows whose postings are still there
        self._stale = False
        # By row, BM25: what a count is compared with; cosine: one by the document's length. That of
        # a removed row makes its scores 0, since its postings may wait to be erased together.
        self._norms = np.zeros(0, np.float32)
        self._once = np.zeros(0, np.float32)  # what a row says of a term that it has once
        self._measured_at = 0

    def __len__(self) -> int:
        """Number of living documents."""
        return self._living

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
        self._living += len(documents)
        self._pending.update(zip(rows.tolist(), documents, strict=True))
        self._waiting += int(lengths.sum(dtype=np.float64))
        if self._waiting > _MOST_WAITING:
            self._merge()
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
        self._living -= len(wanted)
        self._gone += [row for row in wanted.tolist() if self._pending.pop(row, None) is None]
        self._recent = None
        self._stale = True

    def scores(self, terms: Ids) -> Floats:
        """Score of every row for a query, shape ``(rows,)``; 0 where nothing is shared."""
        total = np.zeros(self.rows, np.float32)
        self.ask(count_terms(terms), total)
        return total

    def idf(self, terms: Ids) -> NDArray[np.float64]:
        """Weight of terms as the index knows them now, rare ones high, shape ``(terms,)``."""
        self._settle()
        return self._weights(document_counts(terms, self._segments()))

    def ask(self, counted: tuple[Ids, Ids], total: Floats, scale: float = 1.0) -> Query:
        """Add the score of every row to ``total``, shape ``(rows,)``; what is known of the terms.

        Args:
            counted: distinct terms of the query, sorted, and how often it has each.
            total: scores so far.
            scale: factor on the scores.
        """
        self._settle()
        terms, repeats = counted
        idf, df = ask(
            total, self._segments(), terms, repeats, norms=self._norms, once=self._once,
            living=len(self), k1=self._k1 if self.weighting == "bm25" else None, scale=scale,
        )  # fmt: skip
        return Query(terms, idf, df)

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
        whole = not len(self._main.df)
        main = self._main if whole else pack(unpack(self._main, self._alive))
        is_bm25 = float(self.weighting == "bm25")
        return main.to_arrays() | {
            "lengths": self._lengths,
            "alive": self._alive.astype(np.uint8),
            "norms": self._norms,
            "parameters": np.asarray([self._k1, self._b, is_bm25, float(self._measured_at)]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> LexicalIndex:
        """The index that ``to_arrays`` described; arrays are not copied, and may be written to."""
        k1, b, is_bm25, measured_at = (float(value) for value in arrays["parameters"].tolist())
        index = cls("bm25" if is_bm25 else "cosine", k1=k1, b=b)
        index._lengths = arrays["lengths"].astype(np.float32, copy=False)
        index._alive = arrays["alive"].astype(bool)
        index._living = int(index._alive.sum())
        index._main = Packed.from_arrays(arrays)
        index._norms = arrays["norms"].astype(np.float32, copy=False)
        index._once = once_of(index._norms, bm25=bool(is_bm25))
        index._measured_at = int(measured_at)
        return index

    def _settle(self, *, merge: bool = False) -> None:
        """Bring segments and norms up to date with the additions and removals so far."""
        if not (self._stale or (merge and (self._pending or self._gone))):
            return
        living = len(self)
        if self._gone and (merge or living < _EXACT_BELOW or len(self._gone) * 20 > living):
            gone = np.zeros(self.rows, bool)
            gone[self._gone] = True
            erase(self._main, gone)
            self._gone = []
        if self._pending and (merge or len(self._pending) > max(_RECENT, self.rows // 50)):
            self._merge()
        if self._pending and self._recent is None:
            self._recent = self._fresh()
        self._measure()
        self._once = once_of(self._norms, bm25=self.weighting == "bm25")
        self._stale = False

    def _merge(self) -> None:
        """Take what waits into the main segment."""
        older = unpack(self._main, self._alive)
        fresh = build_segment(list(self._pending), list(self._pending.values()))
        self._main, self._gone = pack(merge_segments(older, fresh)), []
        self._measured_at = -len(self) - 1
        self._pending, self._waiting, self._recent = {}, 0, None

    def _fresh(self) -> Packed:
        return pack(build_segment(list(self._pending), list(self._pending.values())))

    def _segments(self) -> list[Packed]:
        return [self._main] if self._recent is None else [self._main, self._recent]

    def _weights(self, df: NDArray[np.float64]) -> NDArray[np.float64]:
        """Idf of terms that stand in so many documents."""
        return weights(df, len(self), bm25=self.weighting == "bm25")

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

    def _squares(self, segment: Packed) -> NDArray[np.float64]:
        """Squared length of every row's weights, as far as the segment holds them."""
        df = document_counts(segment.vocabulary, self._segments())
        idf = self._weights(df).astype(np.float32)
        squares, ends = np.zeros(self.rows), np.asarray(segment.starts)[1:, 0]
        cuts = np.searchsorted(ends, np.arange(0, len(segment.postings), _BLOCK))
        for first, last in pairwise(np.append(cuts, len(idf)).tolist()):
            sizes, rows, counts = segment.pieces(np.arange(first, last))
            said = np.repeat(np.tile(idf[first:last], 2), sizes.T.ravel())
            said[len(said) - len(counts) :] *= LOGARITHMS[counts]
            squares += np.bincount(rows, said**2, minlength=self.rows)
        return squares


def _inverse_root(squares: NDArray[np.float64]) -> Floats:
    return np.where(squares > 0, 1.0 / np.sqrt(np.maximum(squares, 1e-12)), 0.0).astype(np.float32)
