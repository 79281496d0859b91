"""Documents as they were written, term by term, for a close look at a few of them.

An inverted index says which documents share terms with a query; where those terms stand in a
document is seen here. The cost of a look grows with the documents looked at, not with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_MOST_TERMS = 600  # of a document; what matters stands at its beginning
_OPENING = 20  # terms that count as the beginning
_WINDOW = 20  # terms that count as one place
_K1 = 0.6
_B = 0.2


@dataclass(frozen=True, slots=True)
class Closeness:
    """How a query stands in each of ``n`` documents, shape ``(n,)`` each.

    Attributes:
        flat: BM25 that hardly counts repetition and length, which suits short documents.
        opening: share of the query's idf mass in the first twenty terms, 0..1.
        window: the largest share of it within about twenty terms, 0..1.
        adjacent: idf mass of terms that follow each other in query and document alike.
        length: logarithm of one and the number of terms.
    """

    flat: Floats
    opening: Floats
    window: Floats
    adjacent: Floats
    length: Floats


class ForwardIndex:
    """The beginnings of documents; rows are given in order, as in ``index.lexical``."""

    def __init__(self) -> None:
        self._documents: list[NDArray[np.uint32]] = []
        self._total = 0
        self._living = 0

    def add(self, documents: Sequence[Ids]) -> None:
        """Add documents, term ids in the order of the text."""
        kept = [_short(document) for document in documents]
        self._documents += kept
        self._total += sum(map(len, kept))
        self._living += len(kept)

    def remove(self, row: int) -> None:
        """Forget a document that is there."""
        self._total -= len(self._documents[row])
        self._living -= 1
        self._documents[row] = np.empty(0, np.uint32)

    def look(self, rows: Ids, terms: Ids, idf: NDArray[np.float64]) -> Closeness:
        """How a query stands in some documents.

        Source of ``flat``: BM25 as in ``index.lexical``; of ``window`` and ``adjacent``: term
        proximity as in Tao and Zhai, "An Exploration of Proximity Measures", SIGIR 2007.

        Args:
            rows: documents.
            terms: the query in the order of its text.
            idf: weight of each of its terms.
        """
        n = len(rows)
        documents = [self._documents[row] for row in rows.tolist()]
        sizes = np.fromiter(map(len, documents), np.int64, n)
        query, first, inverse = np.unique(_short(terms), return_index=True, return_inverse=True)
        if not len(query) or not sizes.sum():
            nothing = np.zeros(n, np.float32)
            return Closeness(nothing, nothing, nothing, nothing, np.log1p(sizes).astype(np.float32))
        weight = idf[first]
        flat = np.concatenate(documents)
        place = np.minimum(np.searchsorted(query, flat), len(query) - 1)
        hits = np.flatnonzero(query[place] == flat)
        term = place[hits]
        starts = np.cumsum(sizes) - sizes
        owner = np.searchsorted(starts + sizes, hits, side="right")
        found = _Hits(n, owner, term, hits - starts[owner], weight)
        return Closeness(
            self._flat(found, sizes),
            found.share(found.position < _OPENING),
            found.densest(),
            found.adjacent(inverse),
            np.log1p(sizes).astype(np.float32),
        )

    def _flat(self, found: _Hits, sizes: Ids) -> Floats:
        width = len(found.weight)
        count = np.bincount(found.owner * width + found.term, minlength=found.n * width)
        counts = count.reshape(found.n, width)
        mean = self._total / max(self._living, 1)
        norm = _K1 * (1.0 - _B + _B * sizes / max(mean, 1e-9))
        scores = (counts / (counts + norm[:, None] + 1e-9)) @ found.weight
        return np.asarray((_K1 + 1.0) * scores, np.float32)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Where the distinct terms of a query stand in ``n`` documents, in the order of the texts."""

    n: int
    owner: Ids  # (hits,) document
    term: Ids  # (hits,) place of the term in the query
    position: Ids  # (hits,) place in the document
    weight: NDArray[np.float64]  # (terms,)

    def share(self, where: NDArray[np.bool_]) -> Floats:
        """Share of the query's mass among some hits, each term once."""
        return self._mass(self.owner[where], self.term[where], self.n)

    def densest(self) -> Floats:
        """The largest share of the query's mass in one of half-overlapping windows."""
        most = _MOST_TERMS // (_WINDOW // 2) + 2
        # A term counts in the window that its half begins and in the one that it ends.
        half = self.owner * most + self.position // (_WINDOW // 2)
        windows = np.concatenate([half, half + 1])
        mass = self._mass(windows, np.concatenate([self.term, self.term]), self.n * most)
        return np.asarray(mass.reshape(self.n, most).max(axis=1), np.float32)

    def adjacent(self, order: Ids) -> Floats:
        """Mass of pairs that follow each other here and in the query, each pair once.

        Args:
            order: the terms of the query in the order of its text.
        """
        width = len(self.weight)
        follows = (np.diff(self.position) == 1) & (np.diff(self.owner) == 0)
        pair = (self.term[:-1] * width + self.term[1:])[follows]
        keep = np.isin(pair, order[:-1] * width + order[1:])
        found = np.unique(self.owner[:-1][follows][keep] * width * width + pair[keep])
        owner, pair = np.divmod(found, width * width)
        mass = self.weight[pair // width] + self.weight[pair % width]
        return np.asarray(np.bincount(owner, mass, minlength=self.n), np.float32)

    def _mass(self, groups: Ids, terms: Ids, count: int) -> Floats:
        share = self.weight / max(float(self.weight.sum()), 1e-9)
        group, term = np.divmod(np.unique(groups * len(share) + terms), len(share))
        return np.asarray(np.bincount(group, share[term], minlength=count), np.float32)


def _short(document: Ids) -> NDArray[np.uint32]:
    # Half the memory; ids that agree in 32 bits are as rare as collisions of their hash.
    return (document[:_MOST_TERMS] & 0xFFFFFFFF).astype(np.uint32)
