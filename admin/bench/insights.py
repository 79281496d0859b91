"""How long a propensity model takes to fit and to score, on made-up customers."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from admin.insights.propensity import SETUPS, fit_linear
from admin.insights.scoring import PropensityModel, Scale, load, save
from admin.insights.table import Table, from_columns
from nlp.metrics import auroc

Tell = Callable[[str], None]


def bench(customers: int, counters: int, *, seed: int, tell: Tell) -> dict[str, Any]:
    """The report: CPU seconds of the final fit with every setup's largest, and companies a second.

    The fit is that of the setup with the most weights, on all rows; choosing a setup takes a sample
    of fixed size and is not in it. Scoring is by the model as it was saved and loaded.
    """
    tell("making customers")
    table = made_up(customers, counters, seed=seed)
    setup = max(SETUPS, key=lambda one: one.bins)
    tell("fitting")
    began = time.process_time()
    linear = fit_linear(table, setup)
    fit_s = time.process_time() - began
    model = PropensityModel("logistic", linear, None, Scale(), "left", "1", {})
    with tempfile.TemporaryDirectory(prefix="neurobot-insights-") as name:
        save(model, Path(name))
        model = load(Path(name))
    tell("scoring")
    began = time.process_time()
    proba = model.predict_proba(table)
    score_s = time.process_time() - began
    assert table.target is not None  # noqa: S101
    return {
        "customers": customers,
        "counters": counters,
        "setup": str(setup),
        "fit_cpu_s": round(fit_s, 2),
        "score_cpu_s": round(score_s, 3),
        "scored_per_s": round(customers / score_s),
        "auc": round(auroc(proba, table.target), 4),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def made_up(customers: int, counters: int, *, seed: int) -> Table:
    """Counters like those of events: many zeros, long tails, some blank; a tenth leaves."""
    generator = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    score = np.zeros(customers, np.float32)
    for place in range(counters):
        rate = generator.gamma(0.5, 8, customers).astype(np.float32)
        values = generator.poisson(rate).astype(np.float32)
        score += np.float32(generator.normal(0, 0.3)) * np.log1p(values)
        values[generator.random(customers) < 0.02] = np.nan
        columns[f"counter_{place}"] = values
    noise = generator.logistic(0, 1, customers).astype(np.float32)
    return from_columns(columns, target=score + noise > np.quantile(score + noise, 0.9))
