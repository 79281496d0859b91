"""Unit vectors in steps: of a byte to find the nearest ones, of two to say how near they are.

A step is a share of a row's greatest number. With two bytes an inner product is off by some 2e-6,
with one by some 6e-4: what that brings near the end of a search is compared again in two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index import native
from index.filed import FiledArray, places_of, spans

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_AT_ONCE: Final = 4096  # rows turned into steps together


class Steps:
    """Rows in steps, in memory or in a file.

    Args:
        rows: int8 or int16, ``(n, d)``.
        scales: size of a step, by row.

    Raises:
        ValueError: they do not fit each other.
    """

    def __init__(self, rows: NDArray[Any] | FiledArray, scales: Floats) -> None:
        if len(rows.shape) != 2 or len(scales) != len(rows):
            raise ValueError("vectors and the sizes of their steps do not fit each other")
        self._rows = rows
        self._scales = scales
        self.dimension = int(rows.shape[1])

    def __len__(self) -> int:
        return len(self._scales)

    @property
    def error(self) -> float:
        """What the inner product with a unit vector is off by, as a standard deviation.

        Source: the variance of a uniform number between -1/2 and 1/2 is 1/12.
        """
        return float(self._scales.max(initial=0.0) / np.sqrt(12.0))

    def products(self, starts: Ids, sizes: Ids, vector: Floats) -> Floats:
        """Inner products with the rows from each start on, so many of each, end to end."""
        places = places_of(starts, sizes)
        rows, scales = self._rows, self._scales
        if isinstance(rows, FiledArray):
            rows, scales = rows.spans(starts, sizes), scales[places]
            places = np.arange(len(places))
        if native.library is None:
            return np.asarray(
                (rows[places].astype(np.float32) @ vector) * scales[places], np.float32
            )
        found = np.empty(len(places), np.float32)
        native.library.scaled_products(rows, scales, places, np.ascontiguousarray(vector), found)
        return found

    def take(self, places: Ids) -> Floats:
        """Rows as vectors ``(n, d)``."""
        each = np.ones(len(places), np.int64)
        rows = spans(self._rows, places, each).astype(np.float32)
        return np.asarray(rows * self._scales[places, None], np.float32)

    def whole(self) -> Floats:
        """All rows as vectors."""
        return np.asarray(np.asarray(self._rows) * self._scales[:, None], np.float32)

    def to_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """What ``from_arrays`` takes."""
        return {name: np.asarray(self._rows), f"{name}_scales": self._scales}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], name: str) -> Steps:
        """What ``to_arrays`` gave; nothing is copied."""
        return cls(arrays[name], arrays[f"{name}_scales"])

    @classmethod
    def of(cls, vectors: Floats, kind: type[np.int8 | np.int16]) -> Steps:
        """Vectors ``(n, d)`` in steps of one byte or two."""
        most = np.float32(np.iinfo(kind).max)
        scales = np.maximum(np.abs(vectors).max(axis=1, initial=0.0), 1e-9) / most
        rows = np.empty(vectors.shape, kind)
        for start in range(0, len(rows), _AT_ONCE):
            end = start + _AT_ONCE
            rows[start:end] = np.rint(vectors[start:end] / scales[start:end, None])
        return cls(rows, scales.astype(np.float32))
