"""``neurobot bench insights``: fitting and scoring very many customers."""

from __future__ import annotations

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show


@click.command("insights")
@click.option("--customers", type=click.IntRange(1000, 10_000_000), default=1_000_000,
              show_default=True)  # fmt: skip
@click.option("--counters", type=click.IntRange(1, 1000), default=40, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
def insights(*, customers: int, counters: int, seed: int, as_json: bool) -> int:
    """The final fit of a churn model, and its speed of scoring, on made-up customers.

    A million customers with 40 counters take some 2 GB.

    \b
    Example:
      neurobot bench insights --customers 1000000 --counters 40 --json
    """
    from admin.bench.insights import bench

    progress = Progress()
    report = bench(customers, counters, seed=seed, tell=progress.update)
    progress.close()
    text = (
        f"{customers} customers, {counters} counters: fitted in {report['fit_cpu_s']} CPU s, "
        f"{report['scored_per_s']} scored a second, AUC {report['auc']}, {report['peak_mb']} MB"
    )
    show(report, as_json=as_json, text=text)
    return 0
