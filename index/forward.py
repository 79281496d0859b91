"""Documents as they were written, term by term, for a close look at a few of them.

An inverted index says which documents share terms with a query; where those terms stand in a
document is seen here. The cost of a look grows with the documents looked at, not with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native
from index.postings import Query, distinct
from index.ragged import RaggedRows
from index.sieve import find, shortened

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_MOST_TERMS = 600  # of a document, looked at closely; what matters stands at its beginning
_OPENING = 20  # terms that count as the beginning
_WINDOW = 20  # terms that count as one place
_K1 = 0.6
_B = 0.2


class Closeness(msgspec.Struct, frozen=True):
    """How a query stands in each of ``n`` documents, shape ``(n,)`` each.

    Attributes:
        coverage: share of the query's idf mass in the whole document, 0..1.
        flat: BM25 that hardly counts repetition and length, which suits short documents.
        opening: share of the query's idf mass in the first twenty terms, 0..1.
        window: the largest share of it within about twenty terms, 0..1.
        adjacent: idf mass of terms that follow each other in query and document alike.
        length: logarithm of one and the number of terms.
    """

    coverage: Floats
    flat: Floats
    opening: Floats
    window: Floats
    adjacent: Floats
    length: Floats


class Others(msgspec.Struct, frozen=True):
    """Terms that may stand for those of a query, shape ``(n,)`` each.

    Attributes:
        place: of the query's term, rising.
        terms: the other ones.
        mass: what each is worth in its place, at most the idf of the query's term.
    """

    place: Ids
    terms: Ids
    mass: NDArray[np.float64]


class ForwardIndex:
    """Documents term by term; rows are given in order, as in ``index.lexical``."""

    def __init__(self) -> None:
        self._documents = RaggedRows(np.uint32)
        self._total = 0
        self._living = 0

    def add(self, documents: Sequence[Ids]) -> None:
        """Add documents, term ids in the order of the text."""
        self._documents.add([shortened(document) for document in documents])
        self._total += sum(min(len(document), _MOST_TERMS) for document in documents)
        self._living += len(documents)

    def remove(self, row: int) -> None:
        """Forget a document that is there."""
        self._total -= min(self._documents.clear(row), _MOST_TERMS)
        self._living -= 1

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as plain arrays."""
        return self._documents.to_arrays() | {"counts": np.asarray([self._total, self._living])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ForwardIndex:
        """The index that ``to_arrays`` described."""
        index = cls()
        index._documents = RaggedRows.from_arrays(arrays)
        index._total, index._living = map(int, arrays["counts"].tolist())
        return index

    def look(self, rows: Ids, terms: Ids, idf: NDArray[np.float64]) -> Closeness:
        """How a query stands in some documents.

        Source of ``flat``: BM25 as in ``index.lexical``; of ``window`` and ``adjacent``: term
        proximity as in Tao and Zhai, "An Exploration of Proximity Measures", SIGIR 2007.

        Args:
            rows: documents.
            terms: the query in the order of its text.
            idf: weight of each of its terms.
        """
        asked = shortened(terms)
        query = distinct(asked)
        order = np.searchsorted(query, asked)
        weight = np.empty(len(query), np.float64)
        weight[order] = idf
        if native.library is not None:
            found = np.empty((6, len(rows)), np.float32)
            mean = self._total / max(self._living, 1)
            native.library.look(*self._documents.look(rows), query, order, weight, found, mean)
            return Closeness(*found)
        return self._look(rows, query, order, weight)

    def replaced(self, rows: Ids, query: Query, others: Others) -> Floats:
        """Share of a query's idf mass that documents have by other terms alone, 0..1.

        Args:
            rows: documents.
            query: its terms.
            others: terms that may stand for them.
        """
        wanted = distinct(shortened(np.concatenate([query.terms, others.terms])))
        if native.library is not None:
            found, whole = np.empty(len(rows), np.float32), float(query.idf.sum())
            at = np.searchsorted(wanted, shortened(query.terms))
            other = np.searchsorted(wanted, shortened(others.terms))
            native.library.replaced(
                *self._documents.look(rows), wanted, at, np.ascontiguousarray(others.place),
                other, others.mass, found, whole,
            )  # fmt: skip
            return found
        flat, sizes = self._documents.take(rows)
        n, width = len(rows), len(query.terms)
        if not len(others.terms) or not len(flat):
            return np.zeros(n, np.float32)
        hits, which = find(wanted, flat)
        held = np.zeros((n, len(wanted)), bool)
        held[np.searchsorted(np.cumsum(sizes), hits, side="right"), which] = True
        instead = held[:, np.searchsorted(wanted, shortened(others.terms))] * others.mass
        first = np.flatnonzero(np.append(True, np.diff(others.place) > 0))
        best = np.zeros((n, width))
        best[:, others.place[first]] = np.maximum.reduceat(instead, first, axis=1)
        best[held[:, np.searchsorted(wanted, shortened(query.terms))]] = 0.0
        return np.asarray(best.sum(axis=1) / max(float(query.idf.sum()), 1e-9), np.float32)

    def _look(
        self, rows: Ids, query: NDArray[np.uint32], order: Ids, weight: NDArray[np.float64]
    ) -> Closeness:
        """The same without C."""
        flat, whole = self._documents.take(rows)
        sizes = np.minimum(whole, _MOST_TERMS)
        lengths = np.log1p(sizes).astype(np.float32)
        if not len(query) or not len(flat):
            nothing = np.zeros(len(rows), np.float32)
            return Closeness(nothing, nothing, nothing, nothing, nothing, lengths)
        hits, term = find(query, flat)
        ends = np.cumsum(whole)
        owner = np.searchsorted(ends, hits, side="right")
        position = hits - (ends - whole)[owner]
        every = _Hits(len(rows), owner, term, position, weight)
        found = every.among(position < _MOST_TERMS)
        return Closeness(
            every.share(),
            self._flat(found, sizes),
            found.among(found.position < _OPENING).share(),
            found.densest(),
            found.adjacent(order),
            lengths,
        )

    def _flat(self, found: _Hits, sizes: Ids) -> Floats:
        width = len(found.weight)
        count = np.bincount(found.owner * width + found.term, minlength=found.n * width)
        counts = count.reshape(found.n, width)
        mean = self._total / max(self._living, 1)
        norm = _K1 * (1.0 - _B + _B * sizes / max(mean, 1e-9))
        scores = (counts / (counts + norm[:, None] + 1e-9)) @ found.weight
        return np.asarray((_K1 + 1.0) * scores, np.float32)


class _Hits(msgspec.Struct, frozen=True):
    """Where the distinct terms of a query stand in ``n`` documents, in the order of the texts."""

    n: int
    owner: Ids  # (hits,) document
    term: Ids  # (hits,) place of the term in the query
    position: Ids  # (hits,) place in the document
    weight: NDArray[np.float64]  # (terms,)

    def among(self, where: NDArray[np.bool_]) -> _Hits:
        """Some of the hits."""
        if where.all():
            return self
        return _Hits(self.n, self.owner[where], self.term[where], self.position[where], self.weight)

    def share(self) -> Floats:
        """Share of the query's mass, each term once."""
        return self._mass(self.owner, self.term, self.n)

    def densest(self) -> Floats:
        """The largest share of the query's mass in one of half-overlapping windows."""
        place = self.position // (_WINDOW // 2)
        most = int(place.max(initial=0)) + 2
        # A term counts in the window that its half begins and in the one that it ends.
        half = self.owner * most + place
        windows = np.concatenate([half, half + 1])
        mass = self._mass(windows, np.concatenate([self.term, self.term]), self.n * most)
        return np.asarray(mass.reshape(self.n, most).max(axis=1), np.float32)

    def adjacent(self, order: Ids) -> Floats:
        """Mass of pairs that follow each other here and in the query, each pair once.

        Args:
            order: the terms of the query in the order of its text.
        """
        width = len(self.weight)
        pairs = distinct(order[:-1] * width + order[1:])
        if not len(pairs):
            return np.zeros(self.n, np.float32)
        follows = np.flatnonzero((np.diff(self.position) == 1) & (np.diff(self.owner) == 0))
        here = self.term[follows] * width + self.term[follows + 1]
        which = np.minimum(np.searchsorted(pairs, here), len(pairs) - 1)
        known = pairs[which] == here
        mass = self.weight[pairs // width] + self.weight[pairs % width]
        return _once(self.owner[follows[known]], which[known], self.n, mass)

    def _mass(self, groups: Ids, terms: Ids, count: int) -> Floats:
        return _once(groups, terms, count, self.weight / max(float(self.weight.sum()), 1e-9))


def _once(groups: Ids, kinds: Ids, count: int, mass: NDArray[np.float64]) -> Floats:
    """Mass of the kinds that stand in each of ``count`` groups, however often they do."""
    held = np.zeros(count * len(mass), np.float32)
    held[groups * len(mass) + kinds] = 1.0
    # Not a matrix product: for so few numbers BLAS takes as long, and may warn of its own scratch.
    return np.asarray((held.reshape(count, -1) * mass.astype(np.float32)).sum(axis=1), np.float32)
