"""Counts at every threshold say what the predictions themselves would."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from nlp.calibration import clopper_pearson_lower, threshold_for
from nlp.coverage import GRID, choose, count_accepted, points


def predictions(seed: int, rows: int):
    """Confidences, mostly high, of predictions that are right about as often as they say."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(rows) ** rng.uniform(0.05, 0.5)
    return confidence, rng.random(rows) < confidence ** rng.uniform(0.5, 1.5)


def curve_of(confidence, right):
    return points(count_accepted(confidence, right, [""] * len(right)))


@pytest.mark.parametrize("promise", [0.8, 0.9, 0.95])
def test_the_same_part_is_accepted_as_by_the_predictions_themselves(promise: float) -> None:
    found = 0
    for seed in range(20):
        confidence, right = predictions(seed, 120)
        # On the grid both can choose alike.
        confidence = np.maximum(np.floor(confidence * 100) / 100, GRID[0])
        chosen = choose(curve_of(confidence, right), promise)
        exact = threshold_for(confidence, right, promise)
        assert (chosen is None) == (exact is None)
        if chosen is not None and exact is not None:
            found += 1
            assert chosen.coverage == pytest.approx(exact[1])
            assert chosen.threshold <= exact[0] + 1e-9
    assert found >= 3


@pytest.mark.parametrize("seed", range(10))
def test_a_threshold_of_the_grid_never_accepts_more_than_the_exact_one(seed: int) -> None:
    confidence, right = predictions(seed, 199)
    chosen, exact = choose(curve_of(confidence, right), 0.9), threshold_for(confidence, right, 0.9)
    if chosen is not None:
        assert exact is not None
        assert chosen.coverage <= exact[1]
        taken = right[confidence >= chosen.threshold]
        assert chosen.low == clopper_pearson_lower(int(taken.sum()), len(taken)) >= 0.9


def test_points_count_what_lies_at_or_above() -> None:
    confidence = np.array([0.3, 0.6, 0.9, 0.95, 0.99], np.float32)
    right = np.array([True, False, True, True, True])
    at = {point.threshold: point for point in curve_of(confidence, right)}
    assert tuple(at) == GRID
    assert (at[0.6].accepted, at[0.6].right) == (4, 3)
    assert (at[0.6].coverage, at[0.6].precision) == (0.8, 0.75)
    assert (at[0.95].accepted, at[0.95].precision) == (2, 1.0)
    assert at[0.99].accepted == 1


def test_where_nothing_is_accepted_nothing_is_promised() -> None:
    curve = curve_of(np.array([0.1, 0.2]), np.array([True, True]))
    assert {(point.accepted, point.precision, point.low) for point in curve} == {(0, 1.0, 0.0)}
    assert choose(curve, 0.5) is None
    assert choose([], 0.5) is None
    assert choose(curve_of(np.empty(0), np.empty(0, bool)), 0.5) is None


def test_groups_are_counted_alone_and_small_ones_not_at_all() -> None:
    confidence, right = predictions(3, 90)
    groups = ["pay"] * 60 + ["ship"] * 20 + ["few"] * 5 + [""] * 5
    counts = json.loads(json.dumps(count_accepted(confidence, right, groups)))
    assert set(counts["groups"]) == {"pay", "ship"}
    assert counts["rows"] == 90
    assert counts["groups"]["pay"]["rows"] == 60
    assert points(counts["groups"]["pay"]) == curve_of(confidence[:60], right[:60])


def test_a_page_of_a_hundred_categories_holds_nothing_up() -> None:
    confidence, right = predictions(0, 6000)
    counts = count_accepted(confidence, right, [f"c{row % 100}" for row in range(6000)])
    began = time.process_time()
    for group in counts["groups"].values():
        choose(points(group), 0.95)
    assert len(counts["groups"]) == 100
    assert time.process_time() - began < 0.2
