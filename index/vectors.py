"""What a vector index promises, and the exact one in NumPy.

Vectors are unit rows; similarity is the inner product. Ids are the caller's, ``int64``, distinct.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_BLOCK = 65_536  # rows compared at once


class VectorIndex(Protocol):
    """Nearest vectors by inner product."""

    dimension: int

    def __len__(self) -> int:
        """Number of vectors that can be found."""

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add rows ``(n, dimension)``; a known id gets the new vector.

        Raises:
            ValueError: shapes do not fit, or a value is not finite.
        """

    def remove(self, ids: Ids) -> None:
        """Forget ids at once; unknown ones are passed over."""

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; places beyond the end hold -inf and -1."""

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""

    def products(self, ids: Ids, vector: Floats) -> Floats:
        """Inner products ``(n,)`` of stored rows with a vector; 0 for unknown ids."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, as plain arrays."""


class ExactIndex:
    """Every vector compared with every query; removal swaps the last row into the gap."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._ids = np.empty(0, np.int64)
        self._rows = np.empty((0, dimension), np.float32)
        self._size = 0
        self._place: dict[int, int] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> Ids:
        """Ids that can be found, in storage order."""
        return self._ids[: self._size]

    @property
    def rows(self) -> Floats:
        """Vectors ``(n, dimension)`` in the order of ``ids``; a view that later changes alter."""
        return self._rows[: self._size]

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add rows ``(n, dimension)``; a known id gets the new vector."""
        ids, vectors = checked(ids, vectors, self.dimension)
        self._reserve(self._size + len(ids))
        keys = ids.tolist()
        distinct = set(keys)
        if len(distinct) == len(keys) and distinct.isdisjoint(self._place):
            end = self._size + len(keys)
            self._place.update(zip(keys, range(self._size, end), strict=True))
            self._ids[self._size : end] = ids
            self._rows[self._size : end] = vectors
            self._size = end
            return
        for position, key in enumerate(keys):
            row = self._place.get(key)
            if row is None:
                row = self._place[key] = self._size
                self._ids[row] = key
                self._size += 1
            self._rows[row] = vectors[position]

    def known(self, ids: Ids) -> Ids:
        """Those of ``ids`` that can be found."""
        return np.asarray([key for key in ids.tolist() if key in self._place], np.int64)

    def remove(self, ids: Ids) -> None:
        """Forget ids at once; unknown ones are passed over."""
        for key in np.asarray(ids, np.int64).tolist():
            row = self._place.pop(key, None)
            if row is None:
                continue
            self._size -= 1
            if row != self._size:
                moved = int(self._ids[self._size])
                self._ids[row] = moved
                self._rows[row] = self._rows[self._size]
                self._place[moved] = row

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; ties go to the lower id."""
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.dimension)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        take = min(k, self._size)
        if take <= 0 or not len(queries):
            return scores, found
        values, places = nearest(self.rows, queries, take)
        keys = self._ids[places]
        order = np.lexsort((keys, -values), axis=1)
        scores[:, :take] = np.take_along_axis(values, order, axis=1)
        found[:, :take] = np.take_along_axis(keys, order, axis=1)
        return scores, found

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""
        places = self._places(ids)
        known = places >= 0
        if known.all():
            return self._rows[places]
        rows = np.zeros((len(places), self.dimension), np.float32)
        rows[known] = self._rows[places[known]]
        return rows

    def products(self, ids: Ids, vector: Floats) -> Floats:
        """Inner products ``(n,)`` of stored rows with a vector; 0 for unknown ids."""
        return inner_products(self._rows, self._places(ids), vector)

    def _places(self, ids: Ids) -> Ids:
        """Rows that hold some ids, -1 for unknown ones."""
        keys = np.asarray(ids, np.int64)
        if not self._size:
            return np.full(len(keys), -1, np.int64)
        # Ids that were given in order stand in the row of their number, as most do here.
        places = np.minimum(keys.view(np.uint64), np.uint64(self._size - 1)).view(np.int64)
        elsewhere = np.flatnonzero(self._ids[places] != keys)
        if len(elsewhere):
            others = keys[elsewhere].tolist()
            places[elsewhere] = [self._place.get(key, -1) for key in others]
        return places

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as plain arrays."""
        return {"ids": self.ids.copy(), "vectors": self._rows[: self._size].copy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> ExactIndex:
        """The index that ``to_arrays`` described."""
        rows = arrays["vectors"].astype(np.float32)
        index = cls(int(rows.shape[1]))
        index.add(arrays["ids"].astype(np.int64), rows)
        return index

    def _reserve(self, size: int) -> None:
        if size <= len(self._ids):
            return
        room = max(size, 2 * len(self._ids), 64)
        self._ids = np.resize(self._ids, room) if len(self._ids) else np.zeros(room, np.int64)
        rows = np.zeros((room, self.dimension), np.float32)
        rows[: self._size] = self._rows[: self._size]
        self._rows = rows


def inner_products(rows: Floats, places: Ids, vector: Floats) -> Floats:
    """Inner products ``(n,)`` of the rows at some places with a vector; 0 for a place below 0."""
    found = np.zeros(len(places), np.float32)
    if native.library is not None:
        native.library.products(rows, places, vector, found)
        return found
    known = places >= 0
    found[known] = rows[places[known]] @ vector
    return found


def nearest(rows: Floats, queries: Floats, k: int) -> tuple[Floats, Ids]:
    """Inner products and places ``(n, k)`` of the nearest rows, in no order; k <= len(rows).

    Rows are read in blocks, so that memory does not grow with them.
    """
    values = np.empty((len(queries), 0), np.float32)
    places = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(rows), _BLOCK):
        found = queries @ rows[start : start + _BLOCK].T
        best = _best(found, k)
        values = np.concatenate([values, np.take_along_axis(found, best, axis=1)], axis=1)
        places = np.concatenate([places, best + start], axis=1)
        if start:
            best = _best(values, k)
            values = np.take_along_axis(values, best, axis=1)
            places = np.take_along_axis(places, best, axis=1)
    return values, places


def _best(values: Floats, k: int) -> Ids:
    if k >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(-values, k - 1, axis=1)[:, :k]


def checked(ids: Ids, vectors: Floats, dimension: int) -> tuple[Ids, Floats]:
    """Both as contiguous arrays.

    Raises:
        ValueError: shapes do not fit, or a value is not finite.
    """
    keys = np.ascontiguousarray(ids, np.int64)
    rows = np.ascontiguousarray(vectors, np.float32)
    if rows.ndim != 2 or rows.shape != (len(keys), dimension):
        raise ValueError(f"Vectors of shape {rows.shape} for {len(keys)} ids.")
    if not np.isfinite(rows).all():
        raise ValueError("A vector holds a number that is not finite.")
    return keys, rows
