"""Propensity models on a table of customers, judged on folds that neither chose nor fitted them.

In each outer fold setups, calibration and thresholds come from the other folds alone. Figures are
those of all held-out probabilities together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from admin.evaluate.judging import rounded
from admin.insights.boosting import Growth
from admin.insights.counters import aligned, fit_counters
from admin.insights.coverage import confidence, threshold_for_precision
from admin.insights.judging import figures
from admin.insights.propensity import Candidate, Fitted, Setup, fit, fit_linear, fit_trees
from admin.insights.scoring import Scale
from admin.insights.table import Table
from admin.insights.trees import features_of
from nlp.calibration import clopper_pearson_lower
from nlp.labels import stratified_folds

Tell = Callable[[str], None]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]

MODELS: Final = ("logistic", "boosting")
FOLDS: Final = 5
FLAG_PRECISION: Final = 0.8
SURE_ACCURACY: Final = 0.95
TOP: Final = 5
_REASONED: Final = 5000  # rows that reasons are averaged over


@dataclass(frozen=True, slots=True)
class _Judged:
    """Rows of one split with what was said about them before they were seen."""

    rows: NDArray[np.int64]
    proba: dict[str, Doubles]
    fitted: Fitted


def evaluate(table: Table, *, target: str, splits: int, seed: int, tell: Tell) -> dict[str, Any]:
    """The report: ``data``, ``logistic``, ``boosting``, ``chosen``, ``peers``, ``warnings``, ...

    ``chosen`` is the model that a training on all rows takes; ``chosen_in_folds`` how often each
    was taken. ``reasons`` are counters by how far they move log-odds, ``reasons_stable`` the folds
    whose first ``TOP`` are the same. With ``splits``, ``promise`` has the precision kept by
    thresholds of the training rows' own folds, over random splits with a fifth left out: of flags
    promised ``FLAG_PRECISION``, and of yes-or-no answers promised ``SURE_ACCURACY``.
    """
    truth = _truth(table)
    tell("all rows")
    began = time.process_time()
    every = fit(table, target=target, seed=seed, tell=tell)
    spent_s = time.process_time() - began
    folds = stratified_folds(truth.astype(np.int64), FOLDS, seed=seed)
    proba = {name: np.empty(len(truth)) for name in (*MODELS, "plain")}
    taken, tops = [], []
    for fold in range(FOLDS):
        tell(f"fold {fold + 1} of {FOLDS}")
        judged = _judge(table, folds == fold, seed)
        taken.append(judged.fitted.model.kind)
        tops.append(
            {name for name, _ in _strengths(judged.fitted, table.rows(folds != fold))[:TOP]}
        )
        for name in MODELS:
            proba[name][judged.rows] = judged.proba[name]
        proba["plain"][judged.rows] = _plain(table, folds == fold)
    strengths = _strengths(every, table)
    best = {name for name, _ in strengths[:TOP]}
    report: dict[str, Any] = {
        "data": {
            "rows": table.n_rows, "positives": int(truth.sum()), "positive": table.positive,
            "counters": len(table.counters), "folds": FOLDS, "seed": seed,
        },
        **{name: figures(proba[name], truth) for name in MODELS},
        "chosen": every.model.kind,
        "chosen_in_folds": {name: taken.count(name) for name in MODELS},
        "setups": {"logistic": str(every.logistic.setup), "boosting": str(every.boosting.setup)},
        "peers": {"logistic_regression": figures(proba["plain"], truth)},
        "reasons": [{"column": name, "strength": found} for name, found in strengths],
        "reasons_stable": sum(own == best for own in tops),
        "warnings": [notice.as_json for notice in every.notices],
        "understood": table.understood(),
        "train_cpu_s": spent_s,
    }  # fmt: skip
    if splits:
        report["promise"] = _promise(table, every, splits, tell)
    found: dict[str, Any] = rounded(report)
    return found


def _strengths(fitted: Fitted, table: Table) -> list[tuple[str, float]]:
    """Counters by their mean absolute part, on a sample of the training rows."""
    step = -(-table.n_rows // _REASONED)
    return fitted.model.reasons(table.rows(np.arange(0, table.n_rows, step))).strengths()


def score(table: Table, fitted: Fitted, others: Table) -> dict[str, Doubles]:
    """Calibrated probabilities of other rows by both models, fitted on all rows of ``table``."""
    linear, trees = fitted.logistic, fitted.boosting
    assert isinstance(linear.setup, Setup)  # noqa: S101
    assert isinstance(trees.setup, Growth)  # noqa: S101
    model = fit_linear(table, linear.setup)
    grown = fitted.model.trees or fit_trees(table, trees.setup, seed=0)
    counters = fit_counters(table, bins=1, linear=True)
    features, _ = features_of(counters, aligned(counters, others)[0])
    return {
        "logistic": _calibrated(linear.scale, model.log_odds(aligned(model.counters, others)[0])),
        "boosting": _calibrated(trees.scale, grown.log_odds(features)),
    }


def _calibrated(scale: Scale, log_odds: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-(scale.factor * log_odds + scale.shift))))


def _judge(table: Table, out: Bools, seed: int, known: Fitted | None = None) -> _Judged:
    train, test = table.rows(~out), table.rows(out)
    setups, growths = None, None
    if known is not None:
        setups = [one for one in [known.logistic.setup] if isinstance(one, Setup)]
        growths = [one for one in [known.boosting.setup] if isinstance(one, Growth)]
    fitted = fit(train, seed=seed, leaks=False, setups=setups, growths=growths)
    return _Judged(np.flatnonzero(out), score(train, fitted, test), fitted)


def _promise(table: Table, every: Fitted, splits: int, tell: Tell) -> dict[str, Any]:
    """Flags and answers of all splits pooled; setups are those of all rows, to save time."""
    truth = _truth(table)
    found: dict[str, list[tuple[int, int, int]]] = {"flags": [], "answers": []}
    for seed in range(splits):
        tell(f"split {seed + 1} of {splits}")
        out = stratified_folds(truth.astype(np.int64), FOLDS, seed=1000 + seed) == 0
        judged = _judge(table, out, seed, every)
        kind = judged.fitted.model.kind
        held = getattr(judged.fitted, kind)
        assert isinstance(held, Candidate)  # noqa: S101
        proba, own = judged.proba[kind], truth[out]
        at = threshold_for_precision(held.proba, judged.fitted.truth, FLAG_PRECISION)
        flagged = proba >= (at if at is not None else np.inf)
        found["flags"].append((int(flagged.sum()), int(own[flagged].sum()), len(own)))
        right = (held.proba >= 0.5) == judged.fitted.truth
        at = threshold_for_precision(confidence(held.proba), right, SURE_ACCURACY)
        sure = confidence(proba) >= (at if at is not None else np.inf)
        kept = ((proba >= 0.5) == own)[sure]
        found["answers"].append((int(sure.sum()), int(kept.sum()), len(own)))
    return {
        "splits": splits,
        "flags": {"promised": FLAG_PRECISION, **_pooled(found["flags"])},
        "answers": {"promised": SURE_ACCURACY, **_pooled(found["answers"])},
    }


def _pooled(found: list[tuple[int, int, int]]) -> dict[str, Any]:
    taken, right, judged = (sum(column) for column in zip(*found, strict=True))
    return {
        "kept": right / taken if taken else None,
        "kept_low": clopper_pearson_lower(right, taken, 0.95),
        "coverage": taken / judged,
        "without_threshold": sum(one[0] == 0 for one in found),
    }


def _plain(table: Table, out: Bools) -> Doubles:
    """scikit-learn's logistic regression as one would write it: standardised, one-hot, C = 1."""
    train, test = table.rows(~out), table.rows(out)
    columns, others = [], []
    for counter, own in zip(table.counters, train.counters, strict=True):
        values, asked = own.values, counter.values[out]
        if own.levels:
            columns += [values == level for level in range(len(own.levels))]
            others += [asked == level for level in range(len(own.levels))]
            continue
        mean, deviation = float(np.nanmean(values)), float(np.nanstd(values)) or 1.0
        columns.append(np.nan_to_num((values - mean) / deviation))
        others.append(np.nan_to_num((asked - mean) / deviation))
    with threadpool_limits(limits=1):
        model = LogisticRegression(max_iter=1000).fit(np.stack(columns, 1), _truth(train))
        return np.asarray(model.predict_proba(np.stack(others, 1))[:, 1][: test.n_rows])


def _truth(table: Table) -> Bools:
    assert table.target is not None  # noqa: S101
    return table.target
