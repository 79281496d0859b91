"""``neurobot evaluate clv``: what customers will spend, from a table of purchases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table


class _Steps(click.ParamType[tuple[float, ...]]):
    """Rising amounts, separated by commas."""

    name = "steps"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            steps = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            steps = ()
        if not steps or steps[0] <= 0 or list(steps) != sorted(set(steps)):
            self.fail(f"'{value}' is not a list of rising amounts such as 15,30,60.", param, ctx)
        return steps


@click.command("clv")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--customer", help="Column of the customer, where its name does not say so.")
@click.option("--date", "date_column", help="Column of the date, likewise.")
@click.option("--amount", help="Column of the amount, likewise.")
@click.option("--split", type=click.DateTime(["%Y-%m-%d"]),
              help="First day of the later period; else the middle.")  # fmt: skip
@click.option("--steps", type=_Steps(), default=(), help="Upper ends of the steps: 15,30,60.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the folds.")
@json_option
def clv(
    *,
    file: Path,
    customer: str | None,
    date_column: str | None,
    amount: str | None,
    split: datetime | None,
    steps: tuple[float, ...],
    seed: int,
    as_json: bool,
) -> int:
    """Judge expected spending on FILE, a CSV with a row for each purchase.

    Columns are the customer, the date and the amount. The earlier half teaches, the later one
    judges, over folds of customers, with BG/NBD x Gamma-Gamma beside it.

    \b
    Example:
      neurobot evaluate clv purchases.csv --split 2026-01-01
    """
    from datetime import UTC

    from admin.evaluate.clv import evaluate
    from admin.insights.purchases import number_of, read_purchases

    purchases = read_purchases(
        file, today=datetime.now(UTC).date(), customer=customer, date_column=date_column,
        amount=amount,
    )  # fmt: skip
    progress = Progress()
    report = evaluate(
        purchases,
        split=None if split is None else number_of(split.date()),
        steps=steps,
        seed=seed,
        tell=progress.update,
    )
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: Mapping[str, Any]) -> str:
    found = {"steps": report["steps"], "BG/NBD": report["bg_nbd"],
             "past spending": report["peers"]["past_repeat_spend"]}  # fmt: skip
    named = {name: figures for name, figures in found.items() if figures is not None}
    rows = [
        (key, *(f"{figures[key]:.4g}" for figures in named.values()))
        for key in ("ngini", "total_error", "rmse", "top_10_share")
    ]
    deciles = [
        (str(place), f"{one['expected']:.2f}", f"{one['spent']:.2f}")
        for place, one in enumerate(report["steps"]["deciles"], 1)
    ]
    top = [
        (one["customer"], f"{one['expected']:.2f}", f"{one['spent']:.2f}") for one in report["top"]
    ]
    data = report["data"]
    return "\n".join([
        *(f"warning: {warning['text']}" for warning in report["warnings"]),
        f"{data['customers']} customers; {data['from']} .. {data['split']} .. {data['to']}",
        table(("", *named), rows),
        "",
        table(("tenth", "expected", "spent"), deciles),
        "",
        table(("customer", "expected", "spent"), top),
    ])  # fmt: skip
