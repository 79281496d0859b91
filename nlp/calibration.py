"""Probabilities that mean what they say: temperature, isotonic steps, thresholds with a bound.

Everything is fitted on predictions for rows the model was not trained on.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_GOLDEN: Final = (math.sqrt(5) - 1) / 2
ISOTONIC_FROM: Final = 1000  # rows; below, steps learn noise


def softmax(logits: Floats) -> Floats:
    """Rows that sum to 1. Shapes: (n, k) -> (n, k)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def fit_scale(logits: Floats, truth: NDArray[np.int64]) -> float:
    """The factor for logits that gives held-out truth the highest likelihood, 0.05..50.

    Source: temperature scaling, Guo et al., ICML 2017, section 4.2 (factor = 1 / temperature);
    golden-section search over its logarithm.
    """
    low, high = math.log(0.05), math.log(50.0)
    for _ in range(40):
        left = high - _GOLDEN * (high - low)
        right = low + _GOLDEN * (high - low)
        if _loss(logits, truth, math.exp(left)) < _loss(logits, truth, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _loss(logits: Floats, truth: NDArray[np.int64], scale: float) -> float:
    proba = softmax(logits * np.float32(scale))[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(proba, 1e-12)).mean())


class Isotonic(msgspec.Struct, frozen=True):
    """A non-decreasing map of probabilities: straight lines through (``x``, ``y``), 0..1."""

    x: Floats
    y: Floats

    @classmethod
    def fit(cls, confidence: NDArray[np.floating], right: Bools) -> Isotonic:
        """Pool adjacent violators; each pool becomes a point, shrunk by half a success.

        Source: Zadrozny and Elkan, Transforming classifier scores, KDD 2002.
        """
        order = np.argsort(confidence, kind="stable")
        pools: list[tuple[float, float, float]] = []  # sum of x, sum of y, size
        for value, hit in zip(confidence[order].tolist(), right[order].tolist(), strict=True):
            pool = (float(value), float(hit), 1.0)
            while pools and pools[-1][1] * pool[2] >= pool[1] * pools[-1][2]:
                last = pools.pop()
                pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
            pools.append(pool)
        x = np.array([pool[0] / pool[2] for pool in pools], np.float32)
        # Half a success and half a failure keep the ends off 0 and 1.
        y = np.array([(pool[1] + 0.5) / (pool[2] + 1) for pool in pools], np.float32)
        return cls(x, np.maximum.accumulate(y))

    def __call__(self, confidence: Floats) -> Floats:
        """Calibrated confidence of the same shape."""
        if not len(self.x):
            return confidence
        return np.interp(confidence, self.x, self.y).astype(np.float32)


def recalibrate_top(proba: Floats, steps: Isotonic) -> Floats:
    """Rows whose best entry went through ``steps`` and whose others share the rest.

    The best entry stays the best. Shapes: (n, k) -> (n, k).
    """
    if proba.shape[1] < 2 or not len(proba):
        return proba
    rows = np.arange(len(proba))
    best = proba.argmax(axis=1)
    top = proba[rows, best]
    second = np.partition(proba, -2, axis=1)[:, -2]
    rest = np.maximum(1 - top, 1e-9)
    new = np.clip(np.maximum(steps(top), second / (second + rest)), 0.0, 1.0)
    out = proba * ((1 - new) / rest)[:, None]
    out[rows, best] = new
    return np.asarray(out, np.float32)


def clopper_pearson_lower(successes: int, trials: int, level: float = 0.9) -> float:
    """One-sided lower limit of a share: the truth lies below it at most 1 - ``level`` of the time.

    Source: Clopper and Pearson, Biometrika 1934: the p at which seeing so many successes or more
    has probability 1 - level; found by bisection of the binomial tail.
    """
    if successes <= 0 or trials <= 0:
        return 0.0
    k = np.arange(successes, trials + 1, dtype=np.float64)
    # log n! from sums of logarithms; the binomial coefficient of each k.
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    chosen = k.astype(np.int64)
    ways = log_factorial[trials] - log_factorial[chosen] - log_factorial[trials - chosen]
    low, high = 0.0, 1.0
    for _ in range(40):
        p = (low + high) / 2
        tail = float(np.exp(ways + k * math.log(p) + (trials - k) * math.log1p(-p)).sum())
        if tail < 1 - level:
            low = p
        else:
            high = p
    return low


def threshold_for(
    confidence: NDArray[np.floating], right: Bools, promise: float, *, level: float = 0.9
) -> tuple[float, float] | None:
    """Lowest confidence from which precision is at least ``promise``, and the share above it.

    The largest part of the surest predictions of which the Clopper-Pearson lower limit (one-sided,
    ``level``) keeps the promise; a few mistakes among the very surest do not end the search. Equal
    confidences are taken together, as who compares with the threshold takes them. None: no part
    supports it.
    """
    order = np.argsort(-confidence, kind="stable")
    hits = np.cumsum(right[order])
    best = None
    for taken in _checkpoints(confidence[order]):
        if clopper_pearson_lower(int(hits[taken - 1]), taken, level) >= promise:
            best = taken
    if best is None:
        return None
    return float(confidence[order[best - 1]]), best / len(order)


def _checkpoints(falling: NDArray[np.floating]) -> list[int]:
    """Sizes at which the walk stops to look: about 200, each where the confidence changes."""
    n = len(falling)
    if not n:
        return []
    ends = np.append(np.flatnonzero(falling[:-1] != falling[1:]) + 1, n)
    step = max(1, n // 200)
    places = np.searchsorted(ends, np.append(np.arange(step, n, step), n))
    return [int(end) for end in np.unique(ends[places])]
