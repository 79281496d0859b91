"""Figures on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nlp.labels import class_weights, encode, stratified_folds
from nlp.metrics import accuracy, auroc, expected_calibration_error, macro_f1, top_k_accuracy


def test_figures_of_nothing() -> None:
    none = np.empty(0, np.int64)
    assert accuracy(none, none) == 0.0
    assert macro_f1(none, none) == 0.0
    assert top_k_accuracy(none, np.empty((0, 3)), 3) == 0.0
    assert expected_calibration_error(np.empty(0), np.empty(0, bool)) == 0.0
    assert auroc(np.ones(3), np.ones(3, bool)) == 0.5


def test_accuracy_and_macro_f1() -> None:
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert accuracy(truth, predicted) == 0.5
    # F1: 2/3, 2/4, 0.
    assert macro_f1(truth, predicted) == pytest.approx((2 / 3 + 1 / 2) / 3)


def test_top_k_takes_fewer_categories_than_k() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2]])
    assert top_k_accuracy(np.array([1, 0]), scores, 2) == 0.5
    assert top_k_accuracy(np.array([1, 0]), scores, 10) == 1.0


def test_calibration_error() -> None:
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_auroc_counts_ties_half() -> None:
    positive = np.array([True, True, False, False])
    assert auroc(np.array([3.0, 2.0, 2.0, 1.0]), positive) == pytest.approx(0.875)


def test_encode_sorts_names() -> None:
    labels, numbers = encode(["б", "a", "б"])
    assert labels == ("a", "б")
    assert numbers.tolist() == [1, 0, 1]


def test_folds_are_even_in_every_category() -> None:
    numbers = np.repeat(np.arange(4), [50, 10, 5, 1])
    folds = stratified_folds(numbers, 5, seed=3)
    for label in range(3):
        counts = np.bincount(folds[numbers == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, stratified_folds(numbers, 5, seed=3))


@pytest.mark.parametrize("kind", ["none", "sqrt", "full"])
def test_weights_average_to_one_over_rows(kind: str) -> None:
    numbers = np.repeat(np.arange(2), [30, 10])
    weights = class_weights(numbers, 3, kind)  # type: ignore[arg-type]
    assert weights[numbers].mean() == pytest.approx(1.0)
    assert (weights[1] > weights[0]) == (kind != "none")
