"""The logistic model as it is used: a table for each counter, in numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from admin.insights.counters import Counter, Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Log-odds as a sum over counters.

    Attributes:
        counters: how each is read.
        base: log-odds of the average training row.
        tables: the part of each bin or level, 0 on average. Shapes (n_codes,).
        slopes: the part of one standard deviation of each number, on top. Shape (n_counters,).
    """

    counters: tuple[Counter, ...]
    base: float
    tables: tuple[Doubles, ...]
    slopes: Doubles

    def parts(self, values: Sequence[Floats]) -> Floats:
        """What each counter adds to ``base``, in log-odds. Shape (n, n_counters)."""
        found = np.empty((len(values[0]), len(self.counters)), np.float32)
        for place, part in enumerate(self._each(values)):
            found[:, place] = part
        return found

    def log_odds(self, values: Sequence[Floats]) -> Doubles:
        """``base`` and all parts together. Shape (n,)."""
        total = np.full(len(values[0]), self.base)
        for part in self._each(values):
            total += part
        return total

    def _each(self, values: Sequence[Floats]) -> list[Floats]:
        found = []
        for counter, own, table, slope in zip(
            self.counters, values, self.tables, self.slopes.tolist(), strict=True
        ):
            part = table.astype(np.float32)[counter.codes(own)]
            if counter.scale:
                part += np.float32(slope) * counter.standardised(own)
            found.append(part)
        return found
