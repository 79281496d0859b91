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
        children: places of the left and the right child of each node in turn.
        value: log-odds of a leaf; of an inner node the mean of its training rows.
        roots: place of the root of each tree, then the number of nodes.
        depths: questions on the longest way through each tree.
    """

    baseline: float
    feature: NDArray[np.int64]
    threshold: Doubles
    missing_left: NDArray[np.bool_]
    children: NDArray[np.int64]
    value: Doubles
    roots: NDArray[np.int32]
    depths: NDArray[np.int32]

    @property
    def base(self) -> float:
        """Log-odds of the average training row."""
        return self.baseline + float(self.value[self.roots[:-1]].sum())

    def log_odds(self, features: Doubles) -> Doubles:
        """Shape (n, n_features) -> (n,)."""
        found = np.full(len(features), self.baseline)
        for start in range(0, len(features), _ROWS):
            piece = np.ascontiguousarray(features[start : start + _ROWS])
            total = found[start : start + _ROWS]
            for root, depth in zip(self.roots[:-1].tolist(), self.depths.tolist(), strict=True):
                node = np.full(len(piece), root, np.int64)
                for _ in range(depth):
                    node = self._next(piece, node)
                total += self.value[node]
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
        features = np.ascontiguousarray(features)
        for root, depth in zip(self.roots[:-1].tolist(), self.depths.tolist(), strict=True):
            node = np.full(len(features), root, np.int64)
            for _ in range(depth):
                after = self._next(features, node)
                change = self.value[after] - self.value[node]
                np.add.at(found, (rows, owner[self.feature[node]]), change)
                node = after
        return found

    def _next(self, features: Doubles, node: NDArray[np.int64]) -> NDArray[np.int64]:
        """The child of each row's node; NaN is at most nothing, so it must be asked for."""
        place = np.arange(0, features.size, features.shape[1]) + self.feature[node]
        asked = features.ravel()[place]
        right = ~(asked <= self.threshold[node])
        blank = np.isnan(asked)
        if blank.any():
            right &= ~(blank & self.missing_left[node])
        found: NDArray[np.int64] = self.children[2 * node + right]
        return found

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it under names that begin with ``trees.``."""
        return {
            "trees.baseline": np.array([self.baseline]), "trees.feature": self.feature,
            "trees.threshold": self.threshold, "trees.missing_left": self.missing_left,
            "trees.children": self.children, "trees.value": self.value, "trees.roots": self.roots,
            "trees.depths": self.depths,
        }  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Trees:
        """What ``as_arrays`` gave."""
        own = {name.removeprefix("trees."): array for name, array in arrays.items()
               if name.startswith("trees.")}  # fmt: skip
        return cls(baseline=float(own.pop("baseline")[0]), **own)


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
