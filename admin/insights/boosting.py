"""Gradient boosting: grown by scikit-learn, kept as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from admin.insights.trees import Doubles, Trees


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: ``leaves`` each, ``trees`` of them, each adding ``rate`` of its step."""

    leaves: int
    trees: int
    rate: float = 0.08


def grow(
    features: Doubles, target: NDArray[np.bool_], growth: Growth, *, seed: int
) -> HistGradientBoostingClassifier:
    """A fitted classifier of the library, each split seeing two fifths of the columns.

    On one thread: beside other work its threads wait for each other, 50 times as long.
    """
    classifier = HistGradientBoostingClassifier(
        learning_rate=growth.rate, max_iter=growth.trees, max_leaf_nodes=growth.leaves,
        max_features=0.4, early_stopping=False, random_state=seed,
        min_samples_leaf=max(5, min(20, len(target) // 200)), l2_regularization=1.0,
    )  # fmt: skip
    with threadpool_limits(limits=1):
        return classifier.fit(features, target)


def staged_log_odds(
    grown: HistGradientBoostingClassifier, features: Doubles, every: int
) -> list[Doubles]:
    """Log-odds after each ``every`` trees."""
    with threadpool_limits(limits=1):
        stages = list(grown.staged_decision_function(features))
    return [np.ravel(stage) for stage in stages[every - 1 :: every]]


def as_trees(grown: HistGradientBoostingClassifier) -> Trees:
    """The same predictions as arrays (numbers only: no feature was declared a category)."""
    nodes = [stage[0].nodes for stage in grown._predictors]  # noqa: SLF001 - there is no other way
    roots = np.concatenate([[0], np.cumsum([len(own) for own in nodes])]).astype(np.int32)
    every = np.concatenate(nodes)
    start = np.repeat(roots[:-1], np.diff(roots))
    own = np.arange(len(every))
    leaf = every["is_leaf"].astype(bool)
    left = np.where(leaf, own, every["left"].astype(np.int64) + start)
    right = np.where(leaf, own, every["right"].astype(np.int64) + start)
    return Trees(
        baseline=float(np.ravel(grown._baseline_prediction)[0]),  # noqa: SLF001
        feature=np.where(leaf, 0, every["feature_idx"]).astype(np.int64),
        threshold=every["num_threshold"].astype(np.float64),
        missing_left=every["missing_go_to_left"].astype(bool),
        children=np.stack([left, right], axis=1).ravel(),
        value=_means(every["value"].astype(np.float64), every["count"], leaf, left, right),
        roots=roots,
        depths=np.array([one["depth"].max() for one in nodes], np.int32),
    )


def _means(
    value: Doubles,
    count: NDArray[np.uint32],
    leaf: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> Doubles:
    """Values of leaves, and of inner nodes the mean of their rows: children stand after parents."""
    found = value.copy()
    rows = count.astype(np.float64)
    for place in np.flatnonzero(~leaf)[::-1].tolist():
        one, other = left[place], right[place]
        found[place] = (found[one] * rows[one] + found[other] * rows[other]) / rows[place]
    return found
