"""Category names as numbers, folds that keep categories together, weights of rare categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Weighting = Literal["none", "sqrt", "full"]


def encode(names: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """Sorted distinct names, and the number of each given name among them."""
    labels = tuple(sorted(set(names)))
    number = {name: i for i, name in enumerate(labels)}
    return labels, np.array([number[name] for name in names], np.int64)


def stratified_folds(numbers: Ints, folds: int, *, seed: int) -> Ints:
    """A fold 0..folds-1 for each row, every category spread as evenly as its size allows."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(numbers))
    order = order[np.argsort(numbers[order], kind="stable")]
    fold = np.empty(len(numbers), np.int64)
    # One running count over the sorted rows: categories smaller than the number of folds do not
    # all land in the first ones.
    fold[order] = np.arange(len(numbers)) % folds
    return fold


def class_weights(numbers: Ints, n_labels: int, kind: Weighting) -> NDArray[np.float32]:
    """Weight of each category's loss, mean 1 over the rows: 1, 1/sqrt(count) or 1/count."""
    counts = np.maximum(np.bincount(numbers, minlength=n_labels), 1).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "full": 1.0}[kind]
    weights = counts**-power
    mean = float(weights[numbers].mean()) if len(numbers) else 1.0
    return (weights / mean).astype(np.float32)
