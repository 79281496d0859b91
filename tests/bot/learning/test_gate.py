"""The checks, each at both sides of its bound, and the words of a ruling."""

from __future__ import annotations

import numpy as np
import pytest

from bot.learning import gate
from bot.learning.gate import Ruling
from bot.learning.promotion import ruling_on


def _right(share: float, rows: int) -> np.ndarray:
    return np.arange(rows) < round(share * rows)


def _source(*, known: bool) -> gate.Check:
    return gate.check_source(
        "agent:1", "answers", rows=80, contradicting=70, usual=0.2, known=known
    )


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (gate.check_parts(["classifier"], ["classifier", "ranker"]), False),
        (gate.check_parts(["classifier", "ranker"], ["classifier"]), True),
        (gate.check_paired("answers", _right(0.8, 100), _right(0.9, 100)), False),
        (gate.check_paired("answers", _right(0.9, 100), _right(0.9, 100)), True),
        (gate.check_paired("categories", _right(0.96, 400), _right(1.0, 400)), False),
        (gate.check_paired("categories", _right(0.95, 20), _right(1.0, 20)), True),
        (gate.check_folds("categories", 0.66, 400, 0.7, 400), False),
        (gate.check_folds("categories", 0.68, 400, 0.7, 400), True),
        (gate.check_folds("categories", 0.5, 400, 0.9, 100), True),
        (gate.check_fold_floors({"a": (40, 10)}, {"a": (40, 30)}), False),
        (gate.check_fold_floors({"a": (40, 27)}, {"a": (40, 30)}), True),
        (gate.check_fold_floors({"a": (5, 0)}, {"a": (5, 5)}), True),
        (gate.check_floors(["a"] * 20, _right(0.4, 20), _right(1.0, 20)), False),
        (gate.check_floors(["a"] * 20, _right(0.9, 20), _right(1.0, 20)), True),
        (gate.check_vanished(["a"], {"a": 20, "b": 20}), False),
        (gate.check_vanished(["a"], {"a": 20, "b": 3}), True),
        (gate.check_relabelled(["a"] * 30, _right(0.1, 30), {"a": 0.9}), False),
        (gate.check_relabelled(["a"] * 30, _right(0.7, 30), {"a": 0.9}), True),
        (gate.check_latency(7.0, 2.0), False),
        (gate.check_latency(4.0, 0.5), True),
        (gate.check_latency(250.0, None), False),
        (gate.check_size(300 << 20, 60 << 20), False),
        (gate.check_size(60 << 20, 1 << 20), True),
        (gate.check_leak(["a"]), False),
        (gate.check_canaries(["a"], 2), False),
        (gate.check_canaries([], 2), True),
        (_source(known=False), False),
        (_source(known=True), True),
    ],
)
def test_checks_and_their_words(check, passed):
    assert check.passed is passed
    for lang in ("ru", "en"):
        words = check.words(lang)
        assert words.endswith(".")
        assert "{" not in words
    assert check.words("ru") != check.words("en")


def test_calibration_allows_for_chance():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1.0, 300).astype(np.float32)
    right = rng.random(300) < confidence
    found = gate.check_calibration("answers", confidence, right)
    assert found is not None
    assert found.passed
    low = gate.check_calibration("answers", np.full(300, 0.2, np.float32), right)
    assert low is not None
    assert not low.passed
    assert gate.check_calibration("answers", confidence[:5], right[:5]) is None


def test_a_ruling_says_every_fault():
    lost = gate.check_parts([], ["ranker"])
    ruling = Ruling((lost, gate.check_leak([]), gate.check_latency(999.0, 1.0)), "v1")
    assert not ruling.passed
    assert "ranker" in ruling.words("en")
    assert "slow" in ruling.words("en")
    assert "leak" not in ruling.words("en")
    good = Ruling((gate.check_leak([]),), None)
    assert "first one" in good.words("en")
    assert Ruling.of_metrics({"ruling": ruling.as_metrics()}) == ruling


def test_a_ruling_counts_beside_the_champion_it_was_made_for():
    metrics = {"ruling": Ruling((gate.check_leak([]),), "v1").as_metrics()}
    assert ruling_on(metrics, "v1").passed
    outdated = ruling_on(metrics, "v2")
    assert not outdated.passed
    assert "out of date" in outdated.words("en")
    assert "устарело" in outdated.words("ru")
    assert not ruling_on({}, None).passed


def test_numbers_in_a_reason_are_written_as_in_its_language() -> None:
    check = gate.check_latency(1.5, 2.5)
    assert "1.5 ms; 7.5 ms" in check.words("en")
    assert "1,5 мс, допустимо 7,5 мс" in check.words("ru")
