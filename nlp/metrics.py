"""Figures that judge predictions. Probabilities are (n, n_labels); shares are 0..1."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]


def accuracy(truth: Ints, predicted: Ints) -> float:
    """Share of equal entries; 0 for none."""
    return float((truth == predicted).mean()) if len(truth) else 0.0


def macro_f1(truth: Ints, predicted: Ints) -> float:
    """Mean F1 over the categories that occur in truth or prediction."""
    present = np.union1d(truth, predicted)
    scores = []
    for label in present:
        right = float(((truth == label) & (predicted == label)).sum())
        scores.append(2 * right / float((truth == label).sum() + (predicted == label).sum()))
    return float(np.mean(scores)) if scores else 0.0


def top_k_accuracy(truth: Ints, scores: Floats, k: int) -> float:
    """Share of rows whose right category is among the ``k`` best scores."""
    if not len(truth):
        return 0.0
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return float((best == truth[:, None]).any(axis=1).mean())


def expected_calibration_error(
    confidence: Floats, right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap of confidence and precision over equal-width bins, weighted by their size.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3.
    """
    if not len(confidence):
        return 0.0
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, weights=confidence - right.astype(np.float64), minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))


def auroc(score: Floats, positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties counting half; 0.5 without both.

    Source: Mann-Whitney U; Fawcett, An introduction to ROC analysis, 2006, section 7.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]
    u = float(rank[positive].sum()) - n_positive * (n_positive + 1) / 2
    return u / (n_positive * n_negative)


class CategoryFigures(msgspec.Struct, frozen=True):
    """One category: rows that are of it, rows called so, and rows that are both."""

    rows: int
    called: int
    right: int


def by_category(truth: Ints, predicted: Ints, n_labels: int) -> list[CategoryFigures]:
    """Figures of each category in the order of the labels."""
    rows, called, right = (
        np.bincount(values, minlength=n_labels).tolist()
        for values in (truth, predicted, truth[truth == predicted])
    )
    return [CategoryFigures(*found) for found in zip(rows, called, right, strict=True)]


def confusions(truth: Ints, predicted: Ints, most: int) -> list[tuple[int, int, int]]:
    """The most frequent errors: true label, predicted label, rows."""
    wrong = truth != predicted
    pairs, counts = np.unique(
        np.stack([truth[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:most]
    return [(int(pairs[i, 0]), int(pairs[i, 1]), int(counts[i])) for i in order]


def reliability(
    confidence: Floats, right: NDArray[np.bool_], bins: int = 10
) -> list[tuple[float, float, int]]:
    """A reliability diagram: mean confidence, share right and rows of each bin that has rows."""
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        (float(confidence[own].mean()), float(right[own].mean()), int(own.sum()))
        for own in (which == number for number in range(bins))
        if own.any()
    ]
