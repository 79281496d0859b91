"""Confident coverage: how many can be flagged so that a promised share of them is right.

Everything is read from predictions for rows that the model was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nlp.calibration import clopper_pearson_lower, threshold_for

Doubles = NDArray[np.floating]
Bools = NDArray[np.bool_]

LEVEL: Final = 0.75  # certainty that a threshold keeps its promise
_POINTS: Final = 100
LEAST_FLAGGED: Final = 10  # fewer show nothing


@dataclass(frozen=True, slots=True)
class Point:
    """One place of the curve.

    Attributes:
        share: of all rows that are flagged, 0..1.
        threshold: lowest probability that is flagged.
        precision: share of the flagged that did it.
        low: its lower limit (Clopper-Pearson, one-sided, 95 %).
        recall: share of those who did it that are flagged.
        flagged: rows.
    """

    share: float
    threshold: float
    precision: float
    low: float
    recall: float
    flagged: int


def precision_curve(proba: Doubles, truth: Bools) -> tuple[Point, ...]:
    """About a hundred points from the surest flags to flagging everybody; equal ones together."""
    order = np.argsort(-proba, kind="stable")
    falling, hits = proba[order], np.cumsum(truth[order])
    ends = np.append(np.flatnonzero(falling[:-1] != falling[1:]) + 1, len(falling))
    # Finer where few are flagged: that is where one chooses.
    wanted = len(falling) * np.linspace(0.03, 1, _POINTS) ** 2
    places = np.unique(np.minimum(np.searchsorted(ends, wanted), len(ends) - 1))
    return tuple(
        Point(
            share=taken / len(falling),
            threshold=float(falling[taken - 1]),
            precision=float(hits[taken - 1]) / taken,
            low=clopper_pearson_lower(int(hits[taken - 1]), taken, 0.95),
            recall=float(hits[taken - 1]) / max(1, int(hits[-1])),
            flagged=taken,
        )
        for taken in ends[places].tolist()
        if taken >= min(LEAST_FLAGGED, len(falling))
    )


def threshold_for_precision(
    proba: Doubles, truth: Bools, precision: float, *, level: float = LEVEL
) -> float | None:
    """The lowest probability from which on ``precision`` of the flagged will do it.

    Chosen on a calibration fold: the most rows of which the lower limit (one-sided, ``level``)
    keeps the promise. None where no part of the rows supports it.
    """
    found = threshold_for(proba, truth, precision, level=level)
    return None if found is None else found[0]


def confidence(proba: Doubles) -> Doubles:
    """How sure the answer "will" or "will not" is: the larger of p and 1 - p."""
    return np.maximum(proba, 1 - proba)


def coverage_at_accuracy(proba: Doubles, truth: Bools, accuracy: float) -> float:
    """The largest share of rows, the surest first, on which so many answers are right, 0..1."""
    sure = confidence(proba)
    order = np.argsort(-sure, kind="stable")
    right = np.cumsum(((proba >= 0.5) == truth)[order])
    taken = np.arange(1, len(order) + 1)
    kept = np.flatnonzero(right >= accuracy * taken)
    return float(kept[-1] + 1) / len(order) if len(kept) else 0.0
