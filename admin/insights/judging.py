"""Figures of predicted probabilities of one event. Shares are 0..1."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from admin.insights.coverage import coverage_at_accuracy, precision_curve
from nlp.metrics import auroc, expected_calibration_error, reliability

Doubles = NDArray[np.floating]
Bools = NDArray[np.bool_]


def average_precision(proba: Doubles, truth: Bools) -> float:
    """Mean precision at each row that did it, from the surest down; equal ones count together.

    Source: as scikit-learn's ``average_precision_score``: sum of (R_n - R_(n-1)) P_n.
    """
    if not truth.any():
        return 0.0
    order = np.argsort(-proba, kind="stable")
    falling, hits = proba[order], np.cumsum(truth[order])
    ends = np.append(np.flatnonzero(falling[:-1] != falling[1:]), len(falling) - 1)
    gained = np.diff(np.concatenate([[0], hits[ends]]))
    return float((gained * hits[ends] / (ends + 1)).sum() / hits[-1])


def figures(proba: Doubles, truth: Bools) -> dict[str, Any]:
    """``auc``, ``ap``, ``ece``, ``accuracy``, coverages, ``curve``, ``reliability``.

    ``lift_at_10``: how much more frequent it is in the surest tenth. ``coverage_at_95_accuracy``:
    share of all rows, the surest of either answer first, on which 95 % of answers are right.
    ``flagged_at_80_precision``: the largest share flagged with that precision.
    """
    curve = precision_curve(proba, truth)
    tenth = np.argsort(-proba, kind="stable")[: max(1, len(proba) // 10)]
    kept = [point.share for point in curve if point.precision >= 0.8]
    return {
        "auc": auroc(proba, truth),
        "ap": average_precision(proba, truth),
        "ece": expected_calibration_error(proba, truth),
        "accuracy": float(((proba >= 0.5) == truth).mean()),
        "lift_at_10": float(truth[tenth].mean() / truth.mean()) if truth.any() else 0.0,
        "coverage_at_95_accuracy": coverage_at_accuracy(proba, truth, 0.95),
        "flagged_at_80_precision": max(kept, default=0.0),
        "curve": [asdict(point) for point in curve],
        "reliability": [
            {"probability": mean, "share": share, "rows": rows}
            for mean, share, rows in reliability(np.asarray(proba), truth)
        ],
    }
