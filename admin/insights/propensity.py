"""Fitting a propensity model: churn, free-to-paid, likely to buy, or any yes or no about customers.

A logistic regression and gradient boosting are chosen by cross-validation on the training rows
alone and calibrated on held-out folds; the better one answers, the logistic one when it is close.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from admin.insights.boosting import Growth, as_trees, grow, staged_log_odds
from admin.insights.counters import aligned, fit_counters
from admin.insights.judging import figures
from admin.insights.leaks import find_leaks
from admin.insights.linear import LogisticModel
from admin.insights.logistic import Design, Strength, fit_logistic
from admin.insights.notices import Notice
from admin.insights.scoring import Kind, PropensityModel, Scale, load, save
from admin.insights.table import Table
from admin.insights.trees import Trees, features_of
from bot.errors import BadData
from nlp.labels import stratified_folds
from nlp.metrics import auroc

__all__ = ["Candidate", "Fitted", "PropensityModel", "Setup", "fit", "load", "save"]

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Tell = Callable[[str], None]

MARGIN: Final = 0.005  # AUC that boosting must be better by: it explains itself less well
CHOICE_ROWS: Final = 30_000  # rows that setups are chosen and calibrated on
CHOICE_POSITIVES: Final = 500
_MOST_CHOICE_ROWS: Final = 100_000
TREE_ROWS: Final = 200_000  # rows that the final trees are grown on
_FOLDS: Final = 4


@dataclass(frozen=True, slots=True)
class Setup:
    """Bins of a number and strength of the logistic regression; 1 bin leaves the slope alone."""

    bins: int
    strength: Strength


SETUPS: Final = (
    Setup(1, Strength(1, 0)), Setup(10, Strength(0.3, 0)), Setup(10, Strength(1, 3)),
    Setup(10, Strength(1, 30)), Setup(20, Strength(0.3, 3)), Setup(20, Strength(0.3, 30)),
    Setup(20, Strength(3, 30)), Setup(20, Strength(3, 150)),
)  # fmt: skip
GROWTHS: Final = (Growth(4, 300), Growth(8, 300), Growth(31, 400))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One kind of model with what cross-validation chose for it.

    Attributes:
        setup: the chosen one.
        scale: calibration, fitted on ``proba``'s log-odds before it.
        proba: calibrated probability of each row of ``Fitted.judged`` by models of other folds.
        auc: of these.
    """

    setup: Setup | Growth
    scale: Scale
    proba: Doubles
    auc: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a training gave.

    Attributes:
        model: the one to save and to score with.
        logistic: the candidate.
        boosting: the candidate.
        judged: places of the rows that were held out in turn: all, or a sample of many.
        truth: what these did. Shape (n_judged,).
        notices: of the table, leaks, too little of anything.
    """

    model: PropensityModel
    logistic: Candidate
    boosting: Candidate
    judged: NDArray[np.int64]
    truth: Bools
    notices: tuple[Notice, ...]


def fit(
    table: Table,
    *,
    target: str = "",
    seed: int = 0,
    tell: Tell = lambda _: None,
    leaks: bool = True,
    setups: Sequence[Setup] | None = None,
    growths: Sequence[Growth] | None = None,
) -> Fitted:
    """Choose, calibrate and fit on a table with a target.

    Args:
        table: as ``read_table`` gives it.
        target: its name, for the record.
        seed: of folds and trees.
        tell: told what is done.
        leaks: whether to look for counters that know too much.
        setups: of the logistic regression to choose from; None: ``SETUPS``.
        growths: of the trees, likewise ``GROWTHS``; fewer trees than named may be taken.

    Raises:
        BadData: no target, or no counter that could be used.
    """
    if table.target is None:
        raise BadData("The table has no target.", remedy="Name the column that is to be predicted.")
    if not table.counters:
        raise BadData("The table has no counter that a model could use.",
                      remedy="See what was understood of each column.")  # fmt: skip
    judged = _sample(table.target, _choice_rows(table.target), seed)
    part = table.rows(judged) if len(judged) < table.n_rows else table
    truth = _target(part)
    folds = stratified_folds(truth.astype(np.int64), _FOLDS, seed=seed)
    tell("choosing the logistic regression")
    logistic = _choose_logistic(part, folds, setups or SETUPS)
    tell("choosing the boosted trees")
    boosting = _choose_boosting(part, folds, growths or GROWTHS, seed)
    kind: Kind = "boosting" if boosting.auc > logistic.auc + MARGIN else "logistic"
    tell("fitting on all rows")
    chosen = boosting if kind == "boosting" else logistic
    notices = (*table.notices, *(find_leaks(part, logistic, folds) if leaks else ()))
    trees = None
    if kind == "boosting" and isinstance(boosting.setup, Growth):
        trees = fit_trees(table, boosting.setup, seed)
    assert isinstance(logistic.setup, Setup)  # noqa: S101
    report = _report(table, logistic, boosting, truth=truth, kind=kind, notices=notices)
    model = PropensityModel(kind, fit_linear(table, logistic.setup), trees, chosen.scale, target,
                            table.positive, report)  # fmt: skip
    return Fitted(model, logistic, boosting, judged, truth, notices)


def _report(
    table: Table,
    *candidates: Candidate,
    truth: Bools,
    kind: Kind,
    notices: Sequence[Notice],
) -> dict[str, Any]:
    logistic, boosting = candidates
    return {
        "rows": table.n_rows, "positives": int(_target(table).sum()), "judged": len(truth),
        "logistic": figures(logistic.proba, truth), "boosting": figures(boosting.proba, truth),
        "chosen": kind, "warnings": [notice.as_json for notice in notices],
        "understood": table.understood(),
    }  # fmt: skip


def fit_linear(table: Table, setup: Setup) -> LogisticModel:
    """The logistic regression of one setup on all rows."""
    counters = fit_counters(table, bins=setup.bins, linear=True)
    values, _ = aligned(counters, table)
    return fit_logistic(Design.of(counters, values), _target(table), setup.strength)


def fit_trees(table: Table, growth: Growth, seed: int) -> Trees:
    """Boosted trees on at most ``TREE_ROWS`` rows."""
    part = _sample(_target(table), TREE_ROWS, seed)
    rows = table.rows(part) if len(part) < table.n_rows else table
    counters = fit_counters(table, bins=1, linear=True)
    features, _ = features_of(counters, aligned(counters, rows)[0])
    return as_trees(grow(features, _target(rows), growth, seed=seed))


def _choose_logistic(table: Table, folds: NDArray[np.int64], setups: Sequence[Setup]) -> Candidate:
    truth = _target(table)
    best: tuple[float, Setup, Doubles] | None = None
    parts = [(table.rows(folds != fold), table.rows(folds == fold)) for fold in range(_FOLDS)]
    for setup in setups:
        log_odds = np.empty(len(truth))
        for fold, (train, test) in enumerate(parts):
            model = fit_linear(train, setup)
            log_odds[folds == fold] = model.log_odds(aligned(model.counters, test)[0])
        loss = _loss(log_odds, truth)
        if best is None or loss < best[0]:
            best = (loss, setup, log_odds)
    assert best is not None  # noqa: S101
    return _candidate(best[1], best[2], truth)


def _choose_boosting(
    table: Table, folds: NDArray[np.int64], growths: Sequence[Growth], seed: int
) -> Candidate:
    """Leaves and the number of trees: each growth is judged at every tenth tree."""
    truth = _target(table)
    counters = fit_counters(table, bins=1, linear=True)
    features, _ = features_of(counters, aligned(counters, table)[0])
    best: tuple[float, Growth, Doubles] | None = None
    for growth in growths:
        staged = np.empty((growth.trees // 10, len(truth)))
        for fold in range(_FOLDS):
            own = folds == fold
            grown = grow(features[~own], truth[~own], growth, seed=seed)
            staged[:, own] = staged_log_odds(grown, features[own], 10)
        losses = [_loss(log_odds, truth) for log_odds in staged]
        place = int(np.argmin(losses))
        if best is None or losses[place] < best[0]:
            best = (losses[place], Growth(growth.leaves, 10 * (place + 1), growth.rate),
                    staged[place])  # fmt: skip
    assert best is not None  # noqa: S101
    return _candidate(best[1], best[2], truth)


def _candidate(setup: Setup | Growth, log_odds: Doubles, truth: Bools) -> Candidate:
    scale = fit_scale(log_odds, truth)
    proba = 1 / (1 + np.exp(-(scale.factor * log_odds + scale.shift)))
    return Candidate(setup, scale, proba, auroc(proba, truth))


def fit_scale(log_odds: Doubles, truth: Bools) -> Scale:
    """Factor and shift of log-odds with the highest likelihood, a little drawn to 1 and 0."""

    def loss(pair: Doubles) -> float:
        held = 0.5 * ((pair[0] - 1) ** 2 + pair[1] ** 2)
        return len(truth) * _loss(pair[0] * log_odds + pair[1], truth) + float(held)

    factor, shift = minimize(loss, [1.0, 0.0], method="L-BFGS-B",
                             bounds=[(0.05, 20.0), (-10.0, 10.0)]).x.tolist()  # fmt: skip
    return Scale(factor, shift)


def _loss(log_odds: Doubles, truth: Bools) -> float:
    return float(np.logaddexp(0, np.where(truth, -log_odds, log_odds)).mean())


def _target(table: Table) -> Bools:
    assert table.target is not None  # noqa: S101
    return table.target


def _choice_rows(truth: Bools) -> int:
    """``CHOICE_ROWS``; more where the rarer answer has less than ``CHOICE_POSITIVES`` in them."""
    share = min(float(truth.mean()), 1 - float(truth.mean()))
    return max(CHOICE_ROWS, min(_MOST_CHOICE_ROWS, round(CHOICE_POSITIVES / share)))


def _sample(truth: Bools, most: int, seed: int) -> NDArray[np.int64]:
    """Places of at most ``most`` rows, in order; all of them where there are no more."""
    if len(truth) <= most:
        return np.arange(len(truth))
    return np.sort(np.random.default_rng(seed).choice(len(truth), most, replace=False))
