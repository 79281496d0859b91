"""Categories by the most similar training rows: what a desk of few tickets gains most by, NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.features import Rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_NEAREST: Final = 3  # rows of each category that count


class Neighbours(msgspec.Struct, frozen=True):
    """Mean cosine with the nearest rows of each category.

    Source: k nearest neighbours by category, Yang, An evaluation of statistical approaches to text
    categorization, Information Retrieval 1999.

    Attributes:
        starts: (width + 1,) ranges of ``rows`` and ``values`` by column.
        rows: (nnz,) row of each value; rows are in the order of their categories.
        values: (nnz,) of unit rows.
        firsts: (outputs + 1,) ranges of rows by category.
    """

    starts: Ints
    rows: Ints
    values: Floats
    firsts: Ints

    @classmethod
    def fit(cls, rows: Rows, target: Ints, outputs: int) -> Self:
        """Remember rows. Shapes: n rows, ``target`` (n,) in 0..outputs-1."""
        place = np.empty(len(rows), np.int64)
        place[np.argsort(target, kind="stable")] = np.arange(len(rows))
        owner = np.repeat(np.arange(len(rows)), np.diff(rows.indptr))
        lengths = np.sqrt(np.bincount(owner, rows.values**2, minlength=len(rows)))
        values = rows.values / np.maximum(lengths, 1e-9)[owner]
        order = np.argsort(rows.indices, kind="stable")
        starts = np.searchsorted(rows.indices[order], np.arange(rows.width + 1))
        firsts = np.searchsorted(np.sort(target), np.arange(outputs + 1))
        return cls(starts, place[owner][order], values[order].astype(np.float32), firsts)

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return len(self.firsts) - 1

    @property
    def width(self) -> int:
        """Number of columns of the rows that it reads."""
        return len(self.starts) - 1

    def logits(self, rows: Rows) -> Floats:
        """Likeness 0..1 to each category, 0 for one without rows. Shapes: n rows -> (n, k)."""
        found = np.zeros((len(rows), self.outputs), np.float32)
        counts = np.diff(self.firsts)
        category = np.repeat(np.arange(self.outputs), counts)
        nearest = [np.flatnonzero(counts > k) for k in range(_NEAREST)]
        shares = 1 / np.clip(counts, 1, _NEAREST)
        for i, (start, stop) in enumerate(pairwise(rows.indptr.tolist())):
            cosine = self._cosines(rows.indices[start:stop], rows.values[start:stop])
            ranked = cosine[np.lexsort((-cosine, category))]
            for k, some in enumerate(nearest):
                found[i, some] += ranked[self.firsts[some] + k] * shares[some]
        return found

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """State as arrays named ``<prefix>.starts``, ..."""
        return {
            f"{prefix}.starts": self.starts.astype(np.int32),
            f"{prefix}.rows": self.rows.astype(np.int32),
            f"{prefix}.values": self.values.astype(np.float16),
            f"{prefix}.firsts": self.firsts,
        }

    def to_config(self) -> dict[str, Any]:
        """Its kind."""
        return {"kind": "neighbours"}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Self:
        """The neighbours that ``to_arrays`` described.

        Raises:
            ValueError: an array is missing or they do not fit together.
        """
        try:
            starts, rows, values, firsts = (
                arrays[f"{prefix}.{name}"] for name in ("starts", "rows", "values", "firsts")
            )
        except KeyError as error:
            raise ValueError(f"neighbours: array {error} is missing") from None
        found = cls(
            starts.astype(np.int64), rows.astype(np.int64), values.astype(np.float32),
            firsts.astype(np.int64),
        )  # fmt: skip
        if not len(rows) == len(values) == int(starts[-1]) or rows.max(initial=-1) >= firsts[-1]:
            raise ValueError("neighbours: arrays do not fit together")
        return found

    def _cosines(self, columns: Ints, weights: Floats) -> NDArray[np.float64]:
        """With every row, in their order."""
        total = int(self.firsts[-1])
        sizes = self.starts[columns + 1] - self.starts[columns]
        if not sizes.sum():
            return np.zeros(total)
        shift = np.repeat(self.starts[columns] - np.cumsum(sizes) + sizes, sizes)
        at = shift + np.arange(len(shift))
        length = max(float(np.linalg.norm(weights)), 1e-9)
        products = self.values[at] * np.repeat(weights / length, sizes)
        return np.asarray(np.bincount(self.rows[at], products, minlength=total), np.float64)
