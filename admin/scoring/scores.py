"""Scores of a table as lines: probability, hold-out arm, the counters that pushed it most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from admin.insights.coverage import threshold_for_precision
from admin.insights.notices import Notice
from admin.insights.propensity import Fitted, PropensityModel
from admin.insights.table import Column, Table
from admin.scoring.orders import SCORES, Orders, held
from bot.store.insights import Score

Doubles = npt.NDArray[np.float64]

NOBODY: Final = 1.01  # a threshold that no probability reaches
# So many of the likeliest get reasons; the others are never shown one by one.
_EXPLAINED: Final = 20_000
_EXPLAINED_BY_TREES: Final = 3_000
_REASONS: Final = 3


def write_scores(
    folder: Path,
    orders: Orders,
    model: PropensityModel,
    table: Table,
    *,
    subjects: Sequence[str],
    proba: Doubles,
) -> None:
    """One line for each row of ``table``, whose subjects and probabilities are given."""
    order = np.lexsort((np.asarray(subjects, dtype=object), -proba))
    most = order[: _EXPLAINED if model.trees is None else _EXPLAINED_BY_TREES]
    reasons = dict(zip(most.tolist(), _reasons(model, table.rows(most)), strict=True))
    with (folder / SCORES).open("wb") as out:
        for row in order.tolist():
            subject = subjects[row]
            score = Score(
                subject,
                float(proba[row]),
                held=held(orders.target, subject, orders.held_share),
                reasons=tuple(reasons.get(row, ())),
            )
            out.write(msgspec.json.encode(score) + b"\n")


def _reasons(model: PropensityModel, table: Table) -> Iterator[list[dict[str, Any]]]:
    """For each row the strongest counters, then the parts of all the others as one sum."""
    if not table.n_rows:
        return
    found = model.reasons(table)
    columns = {column.name: column for column in table.columns}
    for row in range(table.n_rows):
        strongest = found.strongest(row, _REASONS)
        told = [
            {"name": name, "value": _value(columns.get(name), row), "part": round(part, 4)}
            for name, part in strongest
        ]
        rest = float(found.parts[row].sum()) - sum(part for _, part in strongest)
        yield [*told, {"name": "", "value": None, "part": round(rest, 4)}]


def _value(column: Column | None, row: int) -> float | str | None:
    if column is None or np.isnan(column.values[row]):
        return None
    value = float(column.values[row])
    return column.levels[int(value)] if column.levels else round(value, 6)


def nameless(model: PropensityModel) -> PropensityModel:
    """The model without the names of customers that its report quotes from their column."""
    understood = [
        {key: value for key, value in column.items() if key != "levels"}
        if column["kind"] == "id" or column["role"] == "id"
        else column
        for column in model.report["understood"]
    ]
    return replace(model, report={**model.report, "understood": understood})


def report_of(
    fitted: Fitted, precision: float, notices: Sequence[Notice]
) -> tuple[float, dict[str, Any]]:
    """The threshold that keeps ``precision``, and what the page shows."""
    chosen = fitted.logistic if fitted.model.kind == "logistic" else fitted.boosting
    threshold = threshold_for_precision(chosen.proba, fitted.truth, precision)
    warnings = {(one["code"], one.get("column", "")): one
                for one in (notice.as_json for notice in (*fitted.notices, *notices))}  # fmt: skip
    report = {
        **nameless(fitted.model).report,
        "warnings": list(warnings.values()),
        "precision": precision,
        "kept": threshold is not None,
    }
    return NOBODY if threshold is None else threshold, report
