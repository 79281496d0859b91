"""Regularised logistic regression over binned and standardised counters, fitted without a matrix.

Each counter has a table of one weight for each bin or level and, beside it, one for its
standardised value. Neighbouring bins are drawn to each other. The gradient is a count over codes,
so a million rows cost one byte for each field and no product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from admin.insights.counters import Codes, Counter, Floats
from admin.insights.linear import LogisticModel

Doubles = NDArray[np.float64]

_SEARCH: Final = {"maxiter": 300, "ftol": 1e-9, "gtol": 1e-6, "maxcor": 20}


@dataclass(frozen=True, slots=True)
class Strength:
    """How strongly weights are held back: ridge of all, and of the step between two bins."""

    ridge: float
    smooth: float


@dataclass(frozen=True, slots=True)
class Design:
    """Training rows as codes, one array a counter, and standardised values where there are any."""

    counters: tuple[Counter, ...]
    codes: tuple[Codes, ...]
    linear: tuple[Floats | None, ...]

    @classmethod
    def of(cls, counters: tuple[Counter, ...], values: Sequence[Floats]) -> Design:
        """Codes and standardised values of aligned values."""
        pairs = list(zip(counters, values, strict=True))
        return cls(
            counters,
            tuple(counter.codes(own) for counter, own in pairs),
            tuple(counter.standardised(own) if counter.scale else None for counter, own in pairs),
        )


def fit_logistic(design: Design, target: NDArray[np.bool_], strength: Strength) -> LogisticModel:
    """Weights that maximise the penalised likelihood, by L-BFGS.

    Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 4.4; the penalty of
    steps between bins, Eilers and Marx, Flexible smoothing with B-splines and penalties, 1996,
    with bins for splines and first differences.
    """
    sizes = [counter.n_codes for counter in design.counters]
    starts = np.concatenate([[1], 1 + np.cumsum(sizes)])
    slopes = [place for place, own in enumerate(design.linear) if own is not None]
    n_weights = int(starts[-1])
    n_rows = len(target)
    y = target.astype(np.float32)
    ordered = np.zeros(n_weights - 1, bool)  # a step from this weight to the next is held back
    for start, counter in zip(starts[:-1], design.counters, strict=True):
        if not counter.levels:
            ordered[start : start + len(counter.edges)] = True
    steps = np.flatnonzero(ordered)

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        score = np.full(n_rows, weights[0], np.float32)
        for start, size, codes in zip(starts[:-1], sizes, design.codes, strict=True):
            score += weights[start : start + size].astype(np.float32)[codes]
        for place, own in enumerate(slopes):
            score += np.float32(weights[n_weights + place]) * _own(design.linear[own])
        signed = np.where(target, -score, score)
        value = float(np.logaddexp(np.float32(0), signed).sum(dtype=np.float64))
        error = 1 / (1 + np.exp(-score)) - y
        slope = np.empty_like(weights)
        slope[0] = error.sum(dtype=np.float64)
        for start, size, codes in zip(starts[:-1], sizes, design.codes, strict=True):
            slope[start : start + size] = np.bincount(codes, error, size)
        for place, own in enumerate(slopes):
            slope[n_weights + place] = error @ _own(design.linear[own])
        free = weights[1:]
        value += 0.5 * strength.ridge * float(free @ free)
        slope[1:] += strength.ridge * free
        step = weights[steps + 1] - weights[steps]
        value += 0.5 * strength.smooth * float(step @ step)
        np.add.at(slope, steps + 1, strength.smooth * step)
        np.add.at(slope, steps, -strength.smooth * step)
        return value / n_rows, slope / n_rows

    start_at = np.zeros(n_weights + len(slopes))
    share = float(y.mean())
    start_at[0] = np.log(share / (1 - share))
    found = minimize(loss, start_at, jac=True, method="L-BFGS-B", options=_SEARCH)
    return _model(design, found.x, starts, sizes, slopes)


def _own(values: Floats | None) -> Floats:
    assert values is not None  # noqa: S101
    return values


def _model(
    design: Design, weights: Doubles, starts: NDArray[np.int64], sizes: Sequence[int],
    slopes: Sequence[int],
) -> LogisticModel:  # fmt: skip
    """Tables shifted so that a part is 0 for the average training row; the base takes the rest."""
    tables = []
    slope = np.zeros(len(sizes))
    slope[list(slopes)] = weights[int(starts[-1]) :]
    base = float(weights[0])
    for place, (start, size) in enumerate(zip(starts[:-1], sizes, strict=True)):
        table = weights[start : start + size].copy()
        codes, linear = design.codes[place], design.linear[place]
        mean = float(np.bincount(codes, minlength=size) @ table / len(codes))
        if linear is not None:
            mean += slope[place] * float(linear.mean(dtype=np.float64))
        base += mean
        tables.append(table - mean)
    return LogisticModel(design.counters, base, tuple(tables), slope)
