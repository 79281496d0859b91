"""The inner loops of networks over sparse rows, in C where it was compiled and in numpy where not.

Both give the same numbers up to rounding; C takes a fraction of the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


def compiled() -> bool:
    """The C part is there."""
    return native.library is not None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of numbers that texts are sums of: as they were trained, or a byte for each number.

    Attributes:
        values: ``(rows, size)``, float32, or int8 in steps.
        steps: of each row ``(rows,)``; none for float32.

    Raises:
        ValueError: they do not fit each other.
    """

    values: NDArray[Any]
    steps: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.steps) not in {0, len(self.values)}:
            raise ValueError("the rows of a table and their steps do not fit each other")
        kind = np.int8 if len(self.steps) else np.float32
        object.__setattr__(self, "values", np.ascontiguousarray(self.values, kind))
        object.__setattr__(self, "steps", np.ascontiguousarray(self.steps, np.float32))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return int(self.values.shape[1])

    def packed(self) -> Table:
        """The rows in steps of 1/127 of their largest entry: a quarter of the size."""
        if len(self.steps):
            return self
        steps = np.maximum(np.abs(self.values).max(axis=1, initial=0.0), 1e-12) / 127
        return Table(np.rint(self.values / steps[:, None]).astype(np.int8), steps)

    def weighted_sum(self, places: Ids, weights: Floats) -> Floats:
        """Sum of some rows, each times its weight. Shapes: (n,) and (n,) -> (size,).

        Raises:
            IndexError, ValueError: a place lies outside the table, or there is no weight for each.
        """
        if len(self.steps):
            weights = weights * self.steps.take(places)
        return np.asarray(weights @ self.values.take(places, axis=0), np.float32)


def trigram_row(raw: bytes, idf: Floats) -> tuple[Ids, Floats]:
    """Hashed trigrams of a UTF-32 text: distinct columns, rising, and their TF-IDF of unit length.

    Shapes: ``idf`` (width,), contiguous -> (n,) and (n,).
    """
    count = max(len(raw) // 4 - 2, 0)
    if native.library is not None and count:
        columns, weights = np.empty(count, np.int64), np.empty(count, np.float32)
        kept = native.library.hash_trigrams(raw, idf, columns, weights)
        return columns[:kept], weights[:kept]
    columns, counts = np.unique(trigram_columns(raw, len(idf)), return_counts=True)
    values = (1 + np.log(counts)) * idf[columns]
    length = math.sqrt(float(values @ values))
    return columns, (values / length if length else values).astype(np.float32)


def weigh_blocks(
    columns: Ids, idf: Floats, ends: Ids, lengths: NDArray[np.float64]
) -> tuple[Ids, Floats]:
    """Distinct columns of a text, rising, weighed by sublinear TF-IDF, block by block.

    Args:
        columns: with repeats, ``(terms,)``; sorted in place.
        idf: of each column, ``(width,)``.
        ends: first column behind each block, rising, ``(blocks,)``.
        lengths: of the weights of each block, ``(blocks,)``.

    Raises:
        IndexError, ValueError: a column has no idf.
    """
    columns.sort()
    if native.library is not None:
        kept, values = np.empty(len(columns), np.int64), np.empty(len(columns), np.float32)
        count = native.library.weigh_blocks(columns, idf, ends, lengths, kept, values)
        return kept[:count], values[:count]
    kept, counts = np.unique(columns, return_counts=True)
    weights = (1 + np.log(counts)) * idf[kept]
    start = 0
    for end, length in zip(kept.searchsorted(ends).tolist(), lengths.tolist(), strict=True):
        block = weights[start:end]
        square = float(block @ block)
        if square:
            block *= length / math.sqrt(square)
        start = end
    return kept, weights.astype(np.float32)


def trigram_columns(raw: bytes, width: int) -> Ids:
    """Column of each trigram of a text in UTF-32, with repeats.

    Source: multiply-and-shift mixing after Steele, Lea and Flood, Fast splittable pseudorandom
    number generators, OOPSLA 2014.
    """
    points = np.frombuffer(raw, np.uint32).astype(np.uint64)
    if len(points) < 3:
        return np.empty(0, np.int64)
    # A code point has 21 bits, so a trigram fills 63 bits without loss before it is mixed.
    key = (points[:-2] << np.uint64(42)) | (points[1:-1] << np.uint64(21)) | points[2:]
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((key ^ (key >> np.uint64(31))) % np.uint64(width)).astype(np.int64)
