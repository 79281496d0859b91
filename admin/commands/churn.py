"""``neurobot evaluate churn``: models of a yes or no about customers, from a table of yours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table

_ROWS = (
    ("auc", "AUC"),
    ("ap", "average precision"),
    ("ece", "calibration error"),
    ("accuracy", "accuracy"),
    ("lift_at_10", "lift in the surest tenth"),
    ("coverage_at_95_accuracy", "answered with 95 % right"),
    ("flagged_at_80_precision", "flagged with 80 % right"),
)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@click.command("churn")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", required=True, help="Column to predict: churn, paid, bought.")
@click.option("--positive", help="Its value that means yes, where that is not plain.")
@click.option("--id", "id_column", help="Column of the customer's number or name.")
@click.option("--drop", multiple=True, help="Column to leave out; may be given several times.")
@click.option("--splits", type=click.IntRange(0, 1000), default=0, show_default=True,
              help="Random splits to keep a promised precision on.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the folds.")
@json_option
def churn(
    *,
    file: Path,
    target: str,
    positive: str | None,
    id_column: str | None,
    drop: tuple[str, ...],
    splits: int,
    seed: int,
    as_json: bool,
) -> int:
    """Cross-validate both models on FILE, a CSV with a row for each customer.

    Churn, free-to-paid and likely-to-buy are the same with another --target. docs/insights.md says
    what a file may hold and how to read the figures.

    \b
    Example:
      neurobot evaluate churn customers.csv --target churn --drop reason_of_leaving --splits 20
    """
    from admin.evaluate.churn import evaluate
    from admin.insights.table import read_table

    customers = read_table(file, target=target, positive=positive, id_column=id_column, drop=drop)
    progress = Progress()
    report = evaluate(customers, target=target, splits=splits, seed=seed, tell=progress.update)
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: Mapping[str, Any]) -> str:
    names = {"logistic": report["logistic"], "boosting": report["boosting"],
             "plain logistic": report["peers"]["logistic_regression"]}  # fmt: skip
    columns = [
        (one["name"], one["kind"], one["role"], str(one["distinct"]), str(one["blanks"]))
        for one in report["understood"]
    ]
    rows = [(words, *(f"{found[key]:.4f}" for found in names.values())) for key, words in _ROWS]
    curve = report[report["chosen"]]["curve"]
    flags = [
        (f"{point['share']:.1%}", f"{point['precision']:.1%}", f"{point['low']:.1%}",
         f"{point['threshold']:.3f}")
        for share in _SHARES
        for point in [min(curve, key=lambda one: abs(one["share"] - share))]
    ]  # fmt: skip
    data = report["data"]
    about = f"{data['rows']} customers, {data['positives']} with '{data['positive']}'"
    return "\n".join([
        table(("column", "kind", "used as", "different", "blank"), columns),
        "",
        *(f"warning: {warning['text']}" for warning in report["warnings"]),
        f"{about}; {data['folds']} folds",
        table(("", *names), rows),
        "",
        f"taken: {report['chosen']}",
        "strongest: " + ", ".join(one["column"] for one in report["reasons"][:5]),
        table(("flagged", "right", "at least", "probability from"), flags),
        *_promise_text(report.get("promise")),
    ])  # fmt: skip


def _promise_text(promise: Mapping[str, Any] | None) -> list[str]:
    if promise is None:
        return []
    lines = ["", f"thresholds from training rows, {promise['splits']} splits:"]
    for key in ("flags", "answers"):
        one = promise[key]
        kept = "-" if one["kept"] is None else f"{one['kept']:.3f}"
        lines.append(
            f"  {key}: promised {one['promised']}, kept {kept} on {one['coverage']:.1%} of all"
        )
    return lines
