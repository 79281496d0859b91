"""Curves and thresholds of confident coverage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from admin.insights.coverage import (
    confidence,
    coverage_at_accuracy,
    precision_curve,
    threshold_for_precision,
)
from admin.insights.judging import average_precision, figures

RANDOM = np.random.default_rng(0)
PROBA = RANDOM.beta(0.6, 1.4, 4000)
TRUTH = RANDOM.random(4000) < PROBA


def test_the_curve_counts_what_a_threshold_flags() -> None:
    curve = precision_curve(PROBA, TRUTH)
    assert 60 <= len(curve) <= 101
    assert curve[-1].share == 1
    assert curve[-1].precision == pytest.approx(TRUTH.mean())
    for point in curve[:: len(curve) // 7]:
        flagged = point.threshold <= PROBA
        assert point.flagged == flagged.sum()
        assert point.precision == pytest.approx(TRUTH[flagged].mean())
        assert point.recall == pytest.approx(TRUTH[flagged].sum() / TRUTH.sum())
        assert point.low <= point.precision


def test_equal_probabilities_are_flagged_together() -> None:
    proba = np.repeat([0.9, 0.5, 0.1], 100)
    truth = np.arange(300) % 3 == 0
    assert [point.flagged for point in precision_curve(proba, truth)] == [100, 200, 300]


def test_a_promise_is_kept_on_other_rows() -> None:
    half = np.arange(len(PROBA)) % 2 == 0
    threshold = threshold_for_precision(PROBA[half], TRUTH[half], 0.8)
    assert threshold is not None
    flagged = PROBA[~half] >= threshold
    assert flagged.mean() > 0.05
    assert TRUTH[~half][flagged].mean() >= 0.77  # one split; over many it is within a point


def test_no_threshold_where_nothing_supports_the_promise() -> None:
    assert threshold_for_precision(PROBA, RANDOM.random(4000) < 0.2, 0.9) is None


def test_coverage_at_an_accuracy() -> None:
    proba = np.array([0.99, 0.02, 0.9, 0.2, 0.55, 0.45])
    truth = np.array([True, False, True, False, False, False])
    assert coverage_at_accuracy(proba, truth, 1.0) == pytest.approx(4 / 6)
    assert coverage_at_accuracy(proba, truth, 0.8) == 1
    assert coverage_at_accuracy(proba, ~truth, 0.95) == 0
    assert confidence(proba).min() >= 0.5


def test_average_precision_is_the_known_one() -> None:
    rough = np.round(PROBA, 1)
    assert average_precision(rough, TRUTH) == pytest.approx(average_precision_score(TRUTH, rough))
    assert average_precision(rough, np.zeros(4000, bool)) == 0


def test_figures() -> None:
    found = figures(PROBA, TRUTH)
    assert found["ece"] < 0.03
    assert found["lift_at_10"] > 2
    assert 0 < found["flagged_at_80_precision"] < found["coverage_at_95_accuracy"] < 1
    assert sum(one["rows"] for one in found["reliability"]) == 4000
