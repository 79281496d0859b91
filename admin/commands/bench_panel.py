"""``neurobot bench panel``: how long the pages about customers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table

_MOST_MS = 200.0


@click.command("panel")
@click.option("--events", type=click.IntRange(1_000, 10_000_000), default=1_000_000,
              show_default=True)  # fmt: skip
@click.option("--customers", type=click.IntRange(100, 1_000_000), default=50_000,
              show_default=True)  # fmt: skip
@click.option("--companies", type=click.IntRange(10, 100_000), default=5_000, show_default=True)
@click.option("--rounds", type=click.IntRange(5, 10_000), default=40, show_default=True,
              help="How often each page is asked for.")  # fmt: skip
@json_option
def panel(*, as_json: bool, **size: int) -> int:
    """The pages about customers on a made-up desk of this size, in a server of its own.

    Ends with 3 where a page takes 200 ms or more at p95.

    \b
    Example:
      neurobot bench panel --json
    """
    import asyncio

    from admin.bench.panel import Size, bench

    progress = Progress()
    report = asyncio.run(bench(Size(**size), tell=lambda stage: progress.update(stage, None, None)))
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0 if report["worst_p95"] < _MOST_MS else 3


def _text(report: Mapping[str, Any]) -> str:
    rows = [
        [path, f"{one['p50']:.1f}", f"{one['p95']:.1f}", f"{one['cpu_ms']:.1f}"]
        for path, one in report["pages"].items()
    ]
    return table(("page", "ms p50", "p95", "CPU ms"), rows)
