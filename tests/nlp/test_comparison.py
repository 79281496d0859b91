"""Paired differences, changes of shares, calibration by chance, and the sequential test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nlp.comparison import (
    betting,
    binomial_tail,
    calibration_by_chance,
    paired_difference,
    share_change,
)
from nlp.metrics import by_category, confusions, reliability


def test_binomial_tail_is_exact():
    assert binomial_tail(0, 10, 0.3) == 1.0
    assert binomial_tail(10, 10, 0.5) == pytest.approx(0.5**10)
    assert binomial_tail(3, 4, 0.5) == pytest.approx(5 / 16)
    assert binomial_tail(5, 4, 0.5) == 0.0
    assert (binomial_tail(1, 3, 0.0), binomial_tail(1, 3, 1.0)) == (0.0, 1.0)


def test_paired_difference_counts_what_only_one_has_right():
    new = np.array([1, 1, 1, 0, 0, 0, 1, 1], bool)
    old = np.array([1, 0, 1, 1, 1, 1, 1, 1], bool)
    found = paired_difference(new, old)
    assert (found.rows, found.gained, found.lost, found.value) == (8, 1, 3, -0.25)
    assert found.p_worse == pytest.approx(5 / 16)
    assert found.low < found.value < found.high
    nothing = paired_difference(np.zeros(0, bool), np.zeros(0, bool))
    assert (nothing.value, nothing.p_worse) == (0.0, 1.0)


def test_interval_of_a_paired_difference_covers_the_truth():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        old = rng.random(120) < 0.8
        new = np.where(rng.random(120) < 0.2, rng.random(120) < 0.7, old)
        found = paired_difference(new, old)
        covered += found.low <= 0.2 * (0.7 - 0.8) <= found.high
    assert covered >= 0.92 * 400


def test_change_of_a_share_between_samples():
    found = share_change(0.5, 100, 0.9, 100)
    assert found.value == pytest.approx(-0.4)
    assert found.low < -0.4 < found.high < -0.2
    assert share_change(0.5, 4, 0.75, 4).high > 0


def test_calibration_by_chance_falls_with_the_rows():
    few, many = (calibration_by_chance(np.full(n, 0.7, np.float32)) for n in (20, 2000))
    assert few > 0.1 > 0.04 > many > 0
    assert calibration_by_chance(np.zeros(0, np.float32)) == 0.0


def test_e_value_is_the_likelihood_ratio():
    assert betting([]).e_value == 1.0
    # All of n wins: 2^n / (n + 1).
    assert betting([True] * 9).e_value == pytest.approx(2**9 / 10)
    found = betting([True] * 9 + [False] * 9)
    assert found.best == pytest.approx(2**9 / 10)
    assert found.e_value == pytest.approx(2**18 * math.factorial(9) ** 2 / math.factorial(19))
    assert (found.wins, found.losses) == (9, 9)
    assert math.isfinite(betting([True] * 5000).best)


def test_equal_models_hardly_ever_win_however_often_one_looks():
    rng = np.random.default_rng(1)
    won = sum(betting((rng.random(500) < 0.5).tolist()).best >= 20 for _ in range(200))
    assert won <= 10  # 5 % of 200 runs, each looked at after every pair


def test_a_real_difference_is_found():
    rng = np.random.default_rng(2)
    found = [betting((rng.random(300) < 0.65).tolist()) for _ in range(50)]
    assert sum(one.best >= 20 and one.wins > one.losses for one in found) >= 48


def test_pictures_of_predictions():
    truth, said = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 0])
    rows = [(one.rows, one.called, one.right) for one in by_category(truth, said, 4)]
    assert rows == [(2, 3, 1), (2, 2, 1), (1, 0, 0), (0, 0, 0)]
    assert confusions(truth, said, 2) == [(0, 1, 1), (1, 0, 1)]
    assert confusions(truth, truth, 2) == []
    drawn = reliability(np.array([0.05, 0.95, 1.0]), np.array([False, True, True]))
    assert drawn == [(pytest.approx(0.05), 0.0, 1), (pytest.approx(0.975), 1.0, 2)]
