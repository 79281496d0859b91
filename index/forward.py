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
        share = weight / max(float(weight.sum()), 1e-9)
        flat = np.concatenate(documents)
        place = np.minimum(np.searchsorted(query, flat), len(query) - 1)
        hits = np.flatnonzero(query[place] == flat)
        term = place[hits]
        starts = np.cumsum(sizes) - sizes
        owner = np.searchsorted(starts + sizes, hits, side="right")
        position = hits - starts[owner]
        return Closeness(
            self._flat(owner, term, sizes, weight),
            _mass(owner, term, share, n, position < _OPENING),
            _windows(owner, term, position, share, n),
            _adjacent(owner, term, hits, weight, inverse, n),
            np.log1p(sizes).astype(np.float32),
        )

    def _flat(self, owner: Ids, term: Ids, sizes: Ids, weight: NDArray[np.float64]) -> Floats:
        count = np.bincount(owner * len(weight) + term, minlength=len(sizes) * len(weight))
        counts = count.reshape(len(sizes), len(weight))
        mean = self._total / max(self._living, 1)
        norm = _K1 * (1.0 - _B + _B * sizes / max(mean, 1e-9))
        scores = (counts / (counts + norm[:, None] + 1e-9)) @ weight
        return np.asarray((_K1 + 1.0) * scores, np.float32)


def _short(document: Ids) -> NDArray[np.uint32]:
    # Half the memory; ids that agree in 32 bits are as rare as collisions of their hash.
    return (document[:_MOST_TERMS] & 0xFFFFFFFF).astype(np.uint32)


def _mass(
    owner: Ids, term: Ids, share: NDArray[np.float64], n: int, where: NDArray[np.bool_]
) -> Floats:
    """Share of the query that stands anywhere in ``where``, each term once."""
    found = np.unique(owner[where] * len(share) + term[where])
    mass = np.bincount(found // len(share), share[found % len(share)], minlength=n)
    return np.asarray(mass, np.float32)


def _windows(owner: Ids, term: Ids, position: Ids, share: NDArray[np.float64], n: int) -> Floats:
    """The best of half-overlapping windows."""
    most = _MOST_TERMS // (_WINDOW // 2) + 2
    # A term counts in the window that its half begins and in the one that it ends.
    half = owner * most + position // (_WINDOW // 2)
    window = np.concatenate([half, half + 1])
    found = np.unique(window * len(share) + np.concatenate([term, term]))
    mass = np.bincount(found // len(share), share[found % len(share)], minlength=n * most)
    return np.asarray(mass.reshape(n, most).max(axis=1), np.float32)


def _adjacent(
    owner: Ids, term: Ids, hits: Ids, weight: NDArray[np.float64], order: Ids, n: int
) -> Floats:
    """Mass of pairs that follow each other in both, each pair once."""
    size = len(weight)
    wanted = np.unique(order[:-1] * size + order[1:])
    follows = np.flatnonzero((np.diff(hits) == 1) & (owner[1:] == owner[:-1]))
    pair = term[follows] * size + term[follows + 1]
    keep = np.isin(pair, wanted)
    found = np.unique(owner[follows[keep]] * size * size + pair[keep])
    one, other = np.divmod(found % (size * size), size)
    mass = np.bincount(found // (size * size), weight[one] + weight[other], minlength=n)
    return np.asarray(mass, np.float32)
