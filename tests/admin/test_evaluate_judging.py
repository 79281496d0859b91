"""Figures that were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from admin.evaluate.judging import (
    acceptance,
    debiased_ece,
    ece_interval,
    latency,
    median_of,
    rank_figures,
    recall_at_rejected,
)


def test_nothing_to_judge() -> None:
    none = np.zeros(0)
    assert debiased_ece(none, none > 0) == 0
    assert ece_interval(none, none > 0) == (0, 0)
    assert acceptance(none > 0, none > 0) == (None, None)
    assert recall_at_rejected(none, np.ones(3)) is None
    assert rank_figures([])["mrr"] is None
    assert latency([]) == {"p50": None, "p99": None}


def test_bins_that_are_all_right_or_all_wrong_have_no_error_to_take_off() -> None:
    confidence = np.asarray([0.2, 0.2, 0.9, 0.9])
    right = np.asarray([False, False, True, True])
    # gaps .2 and .1, two predictions each
    assert debiased_ece(confidence, right, bins=2) == pytest.approx(0.15)


def test_a_gap_is_reduced_by_what_chance_adds() -> None:
    confidence = np.full(100, 0.9)
    right = np.arange(100) < 50
    # g = .4, s = .05: eight standard errors, so E|N(g, s)| is g itself
    assert debiased_ece(confidence, right, bins=1) == pytest.approx(0.4, abs=1e-9)
    # g = 0, s = .05: 2 * 0 - .05 * sqrt(2 / pi) is below 0
    assert debiased_ece(np.full(100, 0.5), right, bins=1) == 0
    # g = s = .05: 2g - (s sqrt(2/pi) exp(-1/2) + g erf(1/sqrt 2))
    folded = 0.05 * (math.sqrt(2 / math.pi) * math.exp(-0.5) + math.erf(1 / math.sqrt(2)))
    assert debiased_ece(np.full(100, 0.55), right, bins=1) == pytest.approx(0.1 - folded)


def test_bins_are_of_equal_size() -> None:
    # Sorted: (.1 .2 .3) of which one is right, (.8 .9 1) of which all are.
    confidence = np.asarray([1.0, 0.1, 0.9, 0.2, 0.8, 0.3])
    right = np.asarray([True, False, True, True, True, False])
    share, error = 1 / 3, math.sqrt((1 / 3) * (2 / 3) / 3)
    gap = share - 0.2
    folded = error * math.sqrt(2 / math.pi) * math.exp(-(gap**2) / (2 * error**2))
    folded += gap * math.erf(gap / (error * math.sqrt(2)))
    assert debiased_ece(confidence, right, bins=2) == pytest.approx((2 * gap - folded + 0.1) / 2)


def test_a_calibrated_model_is_near_zero_and_its_interval_holds_the_estimate() -> None:
    generator = np.random.default_rng(3)
    confidence = generator.uniform(0.3, 1.0, 4000)
    right = generator.random(4000) < confidence
    found = debiased_ece(confidence, right)
    low, high = ece_interval(confidence, right)
    assert found < 0.012
    assert 0 <= low <= found <= high < 0.04
    shifted = np.minimum(confidence + 0.1, 1.0)
    assert ece_interval(shifted, right)[0] > 0.05


def test_acceptance() -> None:
    accepted = np.asarray([True, True, False, True])
    right = np.asarray([True, False, True, True])
    assert acceptance(accepted, right) == (0.75, pytest.approx(2 / 3))
    assert acceptance(~accepted & accepted, right) == (0.0, None)


def test_recall_at_rejected() -> None:
    own = np.arange(100.0)  # five lie above 94
    assert recall_at_rejected(own, np.asarray([94.0, 95.0, 95.5, 200.0])) == 0.5
    # equal scores are not told apart
    assert recall_at_rejected(np.ones(10), np.ones(10)) == 0


def test_ranks() -> None:
    assert rank_figures([1, 2, 6, None]) == {
        "acc_at_1": 0.25,
        "recall_at_5": 0.5,
        "recall_at_10": 0.75,
        "mrr": pytest.approx((1 + 1 / 2 + 1 / 6) / 4),
    }


def test_latency() -> None:
    assert latency([1.0, 2.0, 3.0]) == {"p50": 2.0, "p99": 2.98}


def test_median_over_seeds() -> None:
    runs = [
        {"accuracy": 0.5, "bytes": 10, "ms": {"p50": 1.0}, "oos": None, "variant": "mlp"},
        {"accuracy": 0.9, "bytes": 30, "ms": {"p50": 5.0}, "oos": 0.1, "variant": "fixed"},
        {"accuracy": 0.6, "bytes": 20, "ms": {"p50": 2.0}, "oos": 0.2, "variant": "mlp"},
    ]
    for run, name in zip(runs, ("cnn", "ff", "cnn"), strict=True):
        run |= {"kept": name, "tried": {name: {"accuracy": 0.5}}}
    assert median_of(runs) == {
        "accuracy": 0.6, "bytes": 20, "ms": {"p50": 2.0}, "oos": None, "variant": "mlp",
    }  # fmt: skip
