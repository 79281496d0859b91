"""Vectors that do not change, in memory: sought in bytes in the lists that a query probes.

A row in bytes is a quarter of the whole one, and no row that may be among the nearest by what its
bytes can be off by is left out: the whole rows of these few decide, so that what is found is what a
comparison of all rows of the probed lists finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_AT_ONCE: Final = 4096  # rows turned into bytes together


class ProbedIndex:
    """The nearest of the vectors in the lists whose centroids are nearest.

    Args:
        ids: of the vectors, distinct ``(n,)``.
        rows: the vectors ``(n, d)``, list after list.
        starts: of the lists, and the end, ``(lists + 1,)``.
        centroids: of the lists ``(lists, d)``.
        probes: lists searched per query.

    Raises:
        ValueError: the arrays do not fit each other.
    """

    def __init__(self, ids: Ids, rows: Floats, starts: Ids, centroids: Floats, probes: int) -> None:
        if rows.ndim != 2 or centroids.shape[1:] != rows.shape[1:] or len(ids) != len(rows):
            raise ValueError("vectors, ids and lists do not fit each other")
        if len(starts) != len(centroids) + 1 or np.any(np.diff(starts) < 0):
            raise ValueError("vectors, ids and lists do not fit each other")
        if starts[0] != 0 or starts[-1] != len(rows) or not 0 < probes <= len(centroids):
            raise ValueError("vectors, ids and lists do not fit each other")
        self.dimension = int(rows.shape[1])
        self._ids = np.ascontiguousarray(ids, np.int64)
        self._rows = np.ascontiguousarray(rows, np.float32)
        self._starts = np.ascontiguousarray(starts, np.int64)
        self._centroids = np.ascontiguousarray(centroids, np.float32)
        self._probes = probes
        self._bytes = np.empty(rows.shape, np.int8)
        self._steps = np.empty(len(rows), np.float32)
        self._error = self._length = 0.0
        for start in range(0, len(rows), _AT_ONCE):
            self._pack(slice(start, start + _AT_ONCE))

    def __len__(self) -> int:
        return len(self._ids)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; places beyond the end hold -inf and -1."""
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.dimension)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        if k <= 0 or not len(self._ids):
            return scores, found
        if native.library is None:
            for row, query in enumerate(queries):
                self._search(query, scores[row], found[row])
            return scores, found
        native.library.search_lists(
            queries, self._centroids, self._starts, self._bytes, self._steps, self._rows, self._ids,
            scores, found, k, self._probes, self._error, self._length,
        )  # fmt: skip
        return scores, found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ProbedIndex:
        """The index of what ``to_arrays`` of a vector index gave; without lists all are one.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        rows = arrays["vectors"]
        starts = arrays.get("starts", np.asarray([0, len(rows)]))
        centroids = arrays.get("centroids", np.zeros((1, rows.shape[1]), np.float32))
        probes = int(arrays["probes"][0]) if "probes" in arrays else 1
        return cls(arrays["ids"], rows, starts, centroids, probes)

    def _pack(self, part: slice) -> None:
        rows = self._rows[part]
        steps = np.maximum(np.abs(rows).max(axis=1, initial=0.0), 1e-12) / 127
        packed = np.rint(rows / steps[:, None])
        self._bytes[part], self._steps[part] = packed, steps
        again = packed.astype(np.float32) * self._steps[part, None]
        for name, values in (("_error", rows - again), ("_length", again)):
            longest = float(np.linalg.norm(values, axis=1).max(initial=0.0))
            setattr(self, name, max(getattr(self, name), longest))

    def _search(self, query: Floats, scores: Floats, found: Ids) -> None:
        if not np.isfinite(query).all():
            return
        near = np.arange(len(self._centroids))
        if self._probes < len(near):
            near = np.argpartition(-(self._centroids @ query), self._probes - 1)[: self._probes]
        bounds = zip(self._starts[near].tolist(), self._starts[near + 1].tolist(), strict=True)
        places = np.concatenate([np.arange(start, end) for start, end in bounds])
        values = self._rows[places] @ query
        best = np.lexsort((self._ids[places], -values))[: len(scores)]
        scores[: len(best)], found[: len(best)] = values[best], self._ids[places[best]]
