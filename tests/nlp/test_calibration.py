"""Probabilities that keep their word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.calibration import (
    Isotonic,
    clopper_pearson_lower,
    fit_scale,
    recalibrate_top,
    softmax,
    threshold_for,
)
from nlp.metrics import expected_calibration_error


@pytest.mark.parametrize(
    ("successes", "trials", "level", "limit"),
    # One-sided limits: 0.05^(1/10) for 10 of 10, and the beta quantiles of the others.
    [(10, 10, 0.95, 0.7411), (0, 10, 0.9, 0.0), (90, 100, 0.9, 0.8501), (1, 1, 0.9, 0.1)],
)
def test_clopper_pearson(successes: int, trials: int, level: float, limit: float) -> None:
    assert clopper_pearson_lower(successes, trials, level) == pytest.approx(limit, abs=2e-3)


@given(st.integers(1, 200), st.data())
def test_bound_lies_below_the_share(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    assert 0 <= clopper_pearson_lower(successes, trials) <= successes / trials


def test_bound_of_nothing_is_zero() -> None:
    assert clopper_pearson_lower(0, 0) == 0.0


def test_threshold_keeps_its_promise_on_fresh_data() -> None:
    kept = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        confidence = generator.random(1500) ** 0.35
        right = generator.random(1500) < confidence
        found = threshold_for(confidence, right, 0.9)
        assert found is not None
        threshold, share = found
        assert share == pytest.approx((confidence >= threshold).mean(), abs=0.01)
        fresh = np.random.default_rng(1000).random(100_000) ** 0.35
        # A prediction of this kind is right as often as its confidence says.
        kept += fresh[fresh >= threshold].mean() >= 0.9
    assert kept >= 17


def test_no_threshold_where_nothing_is_sure() -> None:
    confidence = np.linspace(0, 1, 50)
    assert threshold_for(confidence, np.zeros(50, bool), 0.9) is None
    assert threshold_for(np.empty(0), np.empty(0, bool), 0.9) is None


def test_threshold_takes_equal_confidences_together() -> None:
    # 41 right of the first 41 would keep .9 (lower limit .945); with their 39 wrong equals,
    # which the threshold accepts as well, it is 41 of 80.
    confidence = np.full(80, 0.7)
    right = np.arange(80) < 41
    assert threshold_for(confidence, right, 0.9) is None
    # 30 surer ones, all right (.1^(1/30) = .926), stand alone: nothing of the tie is taken.
    surer = np.concatenate([np.full(30, 0.8), confidence])
    found = threshold_for(surer, np.concatenate([np.ones(30, bool), right]), 0.9)
    assert found == (0.8, 30 / 110)


def test_mistakes_among_the_surest_do_not_end_the_search() -> None:
    # The first 25 keep .9 (lower limit .912), the first 26 do not (.861), all 200 do again.
    right = np.ones(200, bool)
    right[[25, 60]] = False
    found = threshold_for(np.linspace(1.0, 0.5, 200), right, 0.9)
    assert found == (pytest.approx(0.5), 1.0)


def test_threshold_may_end_with_a_whole_tie() -> None:
    confidence = np.array([0.9] * 20 + [0.6] * 20 + [0.2] * 10, np.float32)
    right = np.arange(50) < 40
    found = threshold_for(confidence, right, 0.9)
    assert found == (pytest.approx(0.6), 0.8)
    assert (confidence >= found[0]).sum() == 40


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=120))
def test_share_is_what_the_threshold_accepts(rows: list[tuple[int, bool]]) -> None:
    confidence = np.array([value for value, _ in rows]) / 5
    right = np.array([hit for _, hit in rows])
    found = threshold_for(confidence, right, 0.6)
    if found is not None:
        accepted = confidence >= found[0]
        assert accepted.mean() == pytest.approx(found[1])
        assert clopper_pearson_lower(int(right[accepted].sum()), int(accepted.sum())) >= 0.6


def test_scale_undoes_overconfidence() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(3000, 5)).astype(np.float32)
    truth = np.array([generator.choice(5, p=row / row.sum()) for row in softmax(logits)])
    assert fit_scale(logits * np.float32(4), truth) == pytest.approx(0.25, rel=0.1)


def test_isotonic_never_falls_and_calibrates() -> None:
    generator = np.random.default_rng(1)
    confidence = generator.random(4000).astype(np.float32)
    right = generator.random(4000) < confidence**2
    steps = Isotonic.fit(confidence, right)
    grid = steps(np.linspace(0, 1, 200, dtype=np.float32))
    assert (np.diff(grid) >= 0).all()
    assert expected_calibration_error(steps(confidence), right) < 0.02
    assert expected_calibration_error(confidence, right) > 0.1


def test_isotonic_of_nothing_is_identity() -> None:
    steps = Isotonic.fit(np.empty(0), np.empty(0, bool))
    assert steps(np.array([0.3], np.float32)).tolist() == pytest.approx([0.3])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(0, 100))
def test_recalibrated_rows_sum_to_one_and_keep_their_best(values: list[float], seed: int) -> None:
    generator = np.random.default_rng(seed)
    proba = generator.dirichlet(np.ones(4), size=10).astype(np.float32)
    confidence = np.array(values, np.float32)
    steps = Isotonic.fit(confidence, generator.random(len(values)) < 0.5)
    new = recalibrate_top(proba, steps)
    assert np.allclose(new.sum(axis=1), 1, atol=1e-5)
    rows = np.arange(10)
    assert (new[rows, proba.argmax(axis=1)] >= new.max(axis=1) - 1e-6).all()
