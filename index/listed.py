"""Vectors in lists by their nearest centroid, as an inverted file of FAISS left them.

The stored part is never changed and may lie in a mapped file: the only copy of the vectors, and
nothing of it is in memory before it is looked at. What is added later is compared one by one;
what is removed is passed over. ``to_arrays`` makes one of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index.vectors import ExactIndex, checked, inner_products

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_AT_ONCE: Final = 1024  # vectors whose list is sought together


class ListedIndex:
    """Stored vectors searched in the lists that a query probes, and fresh ones beside them.

    Args:
        ids: of the stored vectors, not negative, ``(n,)``.
        rows: the vectors ``(n, d)``, list after list.
        starts: of the lists, and the end, ``(lists + 1,)``.
        centroids: of the lists ``(lists, d)``.
        probes: lists searched per query.

    Raises:
        ValueError: the arrays do not fit each other.
    """

    def __init__(self, ids: Ids, rows: Floats, starts: Ids, centroids: Floats, probes: int) -> None:
        if len(ids) != len(rows) or len(starts) != len(centroids) + 1 or starts[-1] != len(rows):
            raise ValueError("vectors, ids and lists do not fit each other")
        if int(ids.min(initial=0)) < 0 or np.any(np.diff(starts) < 0) or starts[0] != 0:
            raise ValueError("ids and lists must rise from 0")
        self.dimension = int(rows.shape[1])
        self._ids = ids
        self._rows = rows
        self._starts = starts
        self._centroids = centroids
        self._probes = probes
        self._fresh = ExactIndex(self.dimension)
        self._gone = np.zeros(len(ids), bool)
        self._some_gone = False
        self._every = np.arange(len(ids))
        self._place = np.full(int(ids.max(initial=-1)) + 1, -1, np.int64)
        self._place[ids] = self._every

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
        self._place[self._ids[places]] = -1
        self._some_gone = self._some_gone or bool(len(places))

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; places beyond the end hold -inf and -1."""
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.dimension)
        scores, ids = self._fresh.search(queries, k)
        if k <= 0 or not len(self._ids):
            return scores, ids
        for row, query in enumerate(queries):
            values, places = self._probe(query)
            values = np.concatenate([scores[row], values])
            keys = np.concatenate([ids[row], self._ids[places]])
            if len(values) > k:
                best = np.argpartition(-values, k - 1)[:k]
                values, keys = values[best], keys[best]
            order = np.lexsort((keys, -values))[:k]
            scores[row], ids[row] = values[order], keys[order]
        return scores, ids

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""
        ids = np.asarray(ids, np.int64)
        places = self._places(ids)
        if len(places) and int(places.min()) >= 0:
            return self._rows[places]
        found = self._fresh.vectors(ids)
        stored = places >= 0
        found[stored] = self._rows[places[stored]]
        return found

    def products(self, ids: Ids, vector: Floats) -> Floats:
        """Inner products ``(n,)`` of stored rows with a vector; 0 for unknown ids."""
        places = self._places(np.asarray(ids, np.int64))
        found = inner_products(self._rows, places, vector)
        if len(self._fresh):
            fresh = np.flatnonzero(places < 0)
            found[fresh] = self._fresh.products(ids[fresh], vector)
        return found

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, as plain arrays; fresh vectors are in the lists."""
        kept = np.flatnonzero(~self._gone)
        lists = np.repeat(np.arange(len(self._centroids)), np.diff(self._starts))[kept]
        lists = np.concatenate([lists, self._nearest_lists(self._fresh.rows)])
        order = np.argsort(lists, kind="stable")
        ids = np.concatenate([self._ids[kept], self._fresh.ids])[order]
        rows = np.concatenate([self._rows[kept], self._fresh.rows])[order]
        sizes = np.bincount(lists, minlength=len(self._centroids))
        return {
            "ids": ids,
            "vectors": rows,
            "starts": np.append(0, np.cumsum(sizes)),
            "centroids": self._centroids,
            "probes": np.asarray([self._probes]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ListedIndex:
        """The index that ``to_arrays`` of this or another vector index described.

        The arrays are not copied. Without lists all vectors are one.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        rows = arrays["vectors"].astype(np.float32, copy=False)
        starts = arrays.get("starts", np.asarray([0, len(rows)]))
        centroids = arrays.get("centroids", np.zeros((1, rows.shape[1]), np.float32))
        probes = int(arrays["probes"][0]) if "probes" in arrays else 1
        ids = arrays["ids"].astype(np.int64, copy=False)
        return cls(ids, rows, starts.astype(np.int64), centroids, probes)

    def _places(self, ids: Ids) -> Ids:
        """Places of ids among the stored vectors, -1 for none."""
        if len(ids) and int(ids.max()) < len(self._place) and int(ids.min()) >= 0:
            return self._place[ids]
        known = (ids >= 0) & (ids < len(self._place))
        places = np.full(len(ids), -1, np.int64)
        places[known] = self._place[ids[known]]
        return places

    def _probe(self, query: Floats) -> tuple[Floats, Ids]:
        """Inner products with what the nearest lists hold, and the places of it."""
        places = self._every
        if self._probes < len(self._centroids):
            near = np.argpartition(-(self._centroids @ query), self._probes - 1)[: self._probes]
            starts, ends = self._starts[near].tolist(), self._starts[near + 1].tolist()
            places = np.concatenate([places[a:b] for a, b in zip(starts, ends, strict=True)])
        if self._some_gone:
            places = places[~self._gone[places]]
        return inner_products(self._rows, places, query), places

    def _nearest_lists(self, rows: Floats) -> Ids:
        parts = [
            (rows[start : start + _AT_ONCE] @ self._centroids.T).argmax(axis=1)
            for start in range(0, len(rows), _AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)
