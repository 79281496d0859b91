"""How the beginnings of a few documents are spelled beside a query.

Who writes an answer begins by taking up the question, often with the words in another form: what
character n-grams share with the first words says more than the same share of the whole text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native
from index.ragged import RaggedRows
from index.sieve import find, shortened

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Terms, with repeats; of character n-grams a word has about fifteen.
_HEAD = 80
_OPENING = 300
_KEPT = 600


class Openness(msgspec.Struct, frozen=True):
    """What each of ``n`` beginnings shares with a query, shape ``(n,)`` each.

    Attributes:
        head: share of the query's idf mass in the first 80 terms, by the root of how many distinct
            ones these are, so that a short beginning that is all in the query counts more.
        opening: share of the query's idf mass in the first 300 terms, 0..1.
        coverage: the same in the first 600, 0..1.
    """

    head: Floats
    opening: Floats
    coverage: Floats


class OpeningIndex:
    """Beginnings of documents; rows are given in order, as in ``index.lexical``."""

    def __init__(self) -> None:
        self._documents = RaggedRows(np.uint32)  # distinct terms as they first stand in the text
        self._cuts = np.empty((0, 2), np.int32)  # distinct terms of head and opening, by row

    def add(self, documents: Sequence[Ids]) -> None:
        """Add documents, term ids in the order of the text."""
        kept, cuts = [], []
        for document in documents:
            terms, first = np.unique(shortened(document[:_KEPT]), return_index=True)
            order = np.argsort(first)
            kept.append(terms[order])
            cuts.append(np.searchsorted(first[order], (_HEAD, _OPENING)))
        self._documents.add(kept)
        self._cuts = np.concatenate([self._cuts, np.asarray(cuts, np.int32).reshape(-1, 2)])

    def remove(self, row: int) -> None:
        """Forget a document that is there."""
        self._documents.clear(row)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as plain arrays."""
        return self._documents.to_arrays() | {"cuts": self._cuts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> OpeningIndex:
        """The index that ``to_arrays`` described."""
        index = cls()
        index._documents = RaggedRows.from_arrays(arrays)
        index._cuts = arrays["cuts"].astype(np.int32, copy=False)
        return index

    def look(self, rows: Ids, terms: Ids, idf: NDArray[np.float64]) -> Openness:
        """What some documents share with a query.

        Args:
            rows: documents.
            terms: distinct terms of the query, sorted, in 32 bits.
            idf: weight of each.
        """
        if native.library is not None:
            found = np.empty((3, len(rows)), np.float32)
            values, starts, sizes, places = self._documents.look(rows)
            cuts = self._cuts if places is rows else self._cuts[rows]
            native.library.look_at_openings(
                values, starts, sizes, cuts, places, shortened(terms), idf, found
            )
            return Openness(*found)
        flat, sizes = self._documents.take(rows)
        if not len(terms) or not len(flat):
            nothing = np.zeros(len(rows), np.float32)
            return Openness(nothing, nothing, nothing)
        hits, term = find(shortened(terms), flat)
        ends = np.cumsum(sizes)
        owner = np.searchsorted(ends, hits, side="right")
        head, opening = self._cuts[rows].T
        starts = ends - sizes
        part = (hits >= (starts + head)[owner]) + (hits >= (starts + opening)[owner]).astype(
            np.int64
        )
        mass = idf / max(float(idf.sum()), 1e-9)
        held = np.bincount(3 * owner + part, mass[term], minlength=3 * len(rows))
        shares = held.reshape(-1, 3).cumsum(axis=1).astype(np.float32)
        distinct = np.sqrt(np.maximum(head, 1)).astype(np.float32)
        return Openness(shares[:, 0] / distinct, shares[:, 1], shares[:, 2])
