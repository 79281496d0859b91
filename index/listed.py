"""Vectors in lists by their nearest centroid, as an inverted file of FAISS left them.

The stored part is never changed and may lie in a file: the only copy of the vectors, and nothing
of it is in memory before it is looked at. It is kept twice: list by list in steps of a byte, for
the search, and by id in steps of two, for what was found. What is added later is compared one by
one; what is removed is passed over. ``to_arrays`` makes one of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index.coarse import Steps
from index.filed import places_of
from index.vectors import ExactIndex, checked

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_AT_ONCE: Final = 1024  # vectors whose list is sought together
_DEVIATIONS: Final = 8.0  # of the coarse products, within which vectors are compared again


class ListedIndex:
    """Stored vectors searched in the lists that a query probes, and fresh ones beside them.

    Args:
        ids: of the stored vectors, rising, not negative, ``(n,)``.
        exact: the vectors in their order.
        order: place of each in that order, list after list, ``(n,)``.
        coarse: the vectors, list after list.
        starts: of the lists, and the end, ``(lists + 1,)``.
        centroids: of the lists ``(lists, d)``.
        probes: lists searched per query.

    Raises:
        ValueError: the arrays do not fit each other.
    """

    def __init__(
        self,
        ids: Ids,
        *,
        exact: Steps,
        order: NDArray[np.int32],
        coarse: Steps,
        starts: Ids,
        centroids: Floats,
        probes: int,
    ) -> None:
        if {len(exact), len(order), len(coarse), int(starts[-1])} != {len(ids)}:
            raise ValueError("vectors, ids and lists do not fit each other")
        if len(starts) != len(centroids) + 1 or exact.dimension != coarse.dimension:
            raise ValueError("vectors, ids and lists do not fit each other")
        if int(ids.min(initial=0)) < 0 or np.any(np.diff(ids) <= 0):
            raise ValueError("ids must rise from 0")
        if np.any(np.diff(starts) < 0) or starts[0] != 0:
            raise ValueError("lists must rise from 0")
        if np.any(np.bincount(order, minlength=len(ids)) != 1):
            raise ValueError("every vector must be in one list")
        self.dimension = exact.dimension
        self._ids = ids
        self._exact = exact
        self._order = order
        self._coarse = coarse
        self._starts = starts
        self._centroids = centroids
        self._probes = probes
        self._fresh = ExactIndex(self.dimension)
        self._gone = np.zeros(len(ids), bool)
        self._some_gone = False
        # Ids without a gap are their own places, as most are.
        self._gapless = len(ids) == 0 or int(ids[-1]) == len(ids) - 1

    def __len__(self) -> int:
        return len(self._ids) - int(self._gone.sum()) + len(self._fresh)

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add rows ``(n, dimension)``; a known id gets the new vector."""
        ids, vectors = checked(ids, vectors, self.dimension)
        self.remove(ids)
        self._fresh.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        """Forget ids at once; unknown ones are passed over."""
        ids = np.asarray(ids, np.int64)
        self._fresh.remove(ids)
        places = self._places(ids)
        places = places[places >= 0]
        self._gone[places] = True
        self._some_gone = self._some_gone or bool(len(places))

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; places beyond the end hold -inf and -1."""
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.dimension)
        scores, ids = self._fresh.search(queries, k)
        if k <= 0 or not len(self._ids):
            return scores, ids
        for row, query in enumerate(queries):
            values, places = self._probe(query, k)
            values = np.concatenate([scores[row], values])
            keys = np.concatenate([ids[row], self._ids[places]])
            order = np.lexsort((keys, -values))[:k]
            scores[row], ids[row] = values[order], keys[order]
        return scores, ids

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""
        ids = np.asarray(ids, np.int64)
        places = self._places(ids)
        found = self._fresh.vectors(ids)
        stored = np.flatnonzero(places >= 0)
        found[stored] = self._exact.take(places[stored])
        return found

    def products(self, ids: Ids, vector: Floats) -> Floats:
        """Inner products ``(n,)`` of stored rows with a vector; 0 for unknown ids."""
        ids = np.asarray(ids, np.int64)
        places = self._places(ids)
        if not len(places) or int(places.min()) >= 0:
            return self._products(places, vector)
        found = self._fresh.products(ids, vector)
        stored = np.flatnonzero(places >= 0)
        found[stored] = self._products(places[stored], vector)
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, as plain arrays; fresh vectors are in the lists."""
        lists = np.repeat(np.arange(len(self._centroids)), np.diff(self._starts))
        kept = np.flatnonzero(~self._gone[self._order])
        lists = np.concatenate([lists[kept], self._nearest_lists(self._fresh.rows)])
        order = np.argsort(lists, kind="stable")
        places = self._order[kept]
        ids = np.concatenate([self._ids[places], self._fresh.ids])[order]
        rows = np.concatenate([self._exact.whole()[places], self._fresh.rows])[order]
        sizes = np.bincount(lists, minlength=len(self._centroids))
        return {
            "ids": ids,
            "vectors": rows,
            "starts": np.append(0, np.cumsum(sizes)),
            "centroids": self._centroids,
            "probes": np.asarray([self._probes]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> ListedIndex:
        """The index that ``in_steps``, or ``to_arrays`` of any vector index, described.

        Arrays in steps are not copied.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        if "coarse" not in arrays:
            arrays = in_steps(arrays)
        return cls(
            arrays["ids"].astype(np.int64, copy=False),
            exact=Steps.from_arrays(arrays, "exact"),
            order=arrays["order"],
            coarse=Steps.from_arrays(arrays, "coarse"),
            starts=arrays["starts"].astype(np.int64),
            centroids=arrays["centroids"],
            probes=int(arrays["probes"][0]),
        )

    def _places(self, ids: Ids) -> Ids:
        """Places of ids among the stored vectors, -1 for none or what was removed."""
        size = len(self._ids)
        if not size or not len(ids):
            return np.full(len(ids), -1, np.int64)
        if self._gapless:
            places = np.where((ids >= 0) & (ids < size), ids, -1)
        else:
            places = np.minimum(np.searchsorted(self._ids, ids), size - 1)
            places = np.where(self._ids[places] == ids, places, -1)
        if self._some_gone:
            places[(places >= 0) & self._gone[places]] = -1
        return places

    def _products(self, places: Ids, vector: Floats) -> Floats:
        """Inner products of the vectors at places; what follows each other is read together."""
        if not len(places):
            return np.empty(0, np.float32)
        first = np.flatnonzero(np.append(True, places[1:] != places[:-1] + 1))
        return self._exact.products(places[first], np.diff(np.append(first, len(places))), vector)

    def _probe(self, query: Floats, k: int) -> tuple[Floats, Ids]:
        """Inner products with the best of what the nearest lists hold, and the places of these."""
        near = np.zeros(1, np.int64)
        if self._probes < len(self._centroids):
            near = np.argpartition(-(self._centroids @ query), self._probes - 1)[: self._probes]
            near.sort()
        elif len(self._centroids) > 1:
            near = np.arange(len(self._centroids))
        starts = self._starts[near]
        sizes = self._starts[near + 1] - starts
        values = self._coarse.products(starts, sizes, query)
        places = self._order[places_of(starts, sizes)].astype(np.int64)
        if self._some_gone:
            living = np.flatnonzero(~self._gone[places])
            values, places = values[living], places[living]
        if len(values) > k:
            bound = np.partition(values, len(values) - k)[len(values) - k]
            margin = _DEVIATIONS * self._coarse.error * float(np.linalg.norm(query))
            places = places[values >= bound - margin]
        places = np.sort(places)
        return self._products(places, query), places

    def _nearest_lists(self, rows: Floats) -> Ids:
        parts = [
            (rows[start : start + _AT_ONCE] @ self._centroids.T).argmax(axis=1)
            for start in range(0, len(rows), _AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def in_steps(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What ``ListedIndex.from_arrays`` goes on with, of the arrays of any vector index.

    Without lists all vectors are one.
    """
    vectors = arrays["vectors"].astype(np.float32, copy=False)
    by_id = np.argsort(arrays["ids"], kind="stable")
    order = np.empty(len(by_id), np.int32)
    order[by_id] = np.arange(len(by_id))
    return {
        "ids": arrays["ids"][by_id].astype(np.int64, copy=False),
        "order": order,
        "starts": np.asarray(arrays.get("starts", [0, len(vectors)])),
        "centroids": arrays.get("centroids", np.zeros((1, vectors.shape[1]), np.float32)),
        "probes": np.asarray(arrays.get("probes", [1])),
        **Steps.of(vectors[by_id], np.int16).to_arrays("exact"),
        **Steps.of(vectors, np.int8).to_arrays("coarse"),
    }
