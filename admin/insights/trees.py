"""Boosted trees as arrays: the same log-odds as the library that grew them, without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from admin.insights.counters import Counter, Floats

Doubles = NDArray[np.float64]

_ROWS: Final = 8192  # at once, so that a column of a piece stays in the cache


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees in one row of arrays; a leaf points to itself.

    Attributes:
        baseline: log-odds before the first tree.
        feature: column of ``features`` that a node asks.
        threshold: left where the value is at most this.
        missing_left: where NaN goes.
        left: place of the left child.
        right: place of the right child.
        value: log-odds of a leaf; of an inner node the mean of its training rows.
        roots: place of the root of each tree, then the number of nodes.
        depth: questions on the longest way.
    """

    baseline: float
    feature: NDArray[np.int32]
    threshold: Doubles
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Doubles
    roots: NDArray[np.int32]
    depth: int

    @property
    def base(self) -> float:
        """Log-odds of the average training row."""
        return self.baseline + float(self.value[self.roots[:-1]].sum())

    def log_odds(self, features: Doubles) -> Doubles:
        """Shape (n, n_features) -> (n,)."""
        found = np.full(len(features), self.baseline)
        for start in range(0, len(features), _ROWS):
            piece = features[start : start + _ROWS]
            rows = np.arange(len(piece))
            for root in self.roots[:-1].tolist():
                node = np.full(len(piece), root, np.int32)
                for _ in range(self.depth):
                    node = self._next(piece, rows, node)
                found[start : start + _ROWS] += self.value[node]
        return found

    def parts(self, features: Doubles, owner: NDArray[np.int64], n_owners: int) -> Doubles:
        """What each counter adds to ``base``: the change of the mean at each question about it.

        The parts of a row and ``base`` sum to its log-odds.

        Args:
            features: shape (n, n_features).
            owner: the counter that each feature was made of. Shape (n_features,).
            n_owners: counters.

        Source: Saabas, Interpreting random forests, 2014; Palczewska et al., 2013.
        """
        found = np.zeros((len(features), n_owners))
        rows = np.arange(len(features))
        for root in self.roots[:-1].tolist():
            node = np.full(len(features), root, np.int32)
            for _ in range(self.depth):
                after = self._next(features, rows, node)
                change = self.value[after] - self.value[node]
                np.add.at(found, (rows, owner[self.feature[node]]), change)
                node = after
        return found

    def _next(
        self, features: Doubles, rows: NDArray[np.intp], node: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        asked = features[rows, self.feature[node]]
        left = (asked <= self.threshold[node]) | (np.isnan(asked) & self.missing_left[node])
        return np.where(left, self.left[node], self.right[node])

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it under names that begin with ``trees.``."""
        return {
            "trees.scalars": np.array([self.baseline, self.depth]), "trees.feature": self.feature,
            "trees.threshold": self.threshold, "trees.missing_left": self.missing_left,
            "trees.left": self.left, "trees.right": self.right, "trees.value": self.value,
            "trees.roots": self.roots,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Trees:
        """What ``as_arrays`` gave."""
        own = {name.removeprefix("trees."): array for name, array in arrays.items()
               if name.startswith("trees.")}  # fmt: skip
        baseline, depth = own.pop("scalars").tolist()
        return cls(baseline=baseline, depth=int(depth), **own)


def features_of(
    counters: Sequence[Counter], values: Sequence[Floats]
) -> tuple[Doubles, NDArray[np.int64]]:
    """Columns for trees, numbers as they are and one column a level; the counter of each column."""
    columns: list[NDArray[Any]] = []
    owner: list[int] = []
    for place, (counter, own) in enumerate(zip(counters, values, strict=True)):
        made = [own == level for level in range(len(counter.levels))] if counter.levels else [own]
        columns += made
        owner += [place] * len(made)
    return np.stack(columns, axis=1).astype(np.float64), np.array(owner, np.int64)
