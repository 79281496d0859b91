"""``neurobot bench events``: what an event costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table


@click.command("events")
@click.option("--rate", type=click.FloatRange(1, 100_000), default=1_000.0, show_default=True,
              help="Events a second of the long phase.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.5, 3_600), default=20.0, show_default=True,
              help="Length of the long phase; others last ten at most.")  # fmt: skip
@click.option("--burst", type=click.FloatRange(1, 100_000), default=5_000.0, show_default=True,
              help="Events a second of the burst.")  # fmt: skip
@click.option("--clients", type=click.IntRange(1, 256), default=16, show_default=True,
              help="Connections.")  # fmt: skip
@json_option
def events(*, as_json: bool, **load: Any) -> int:
    """Events over HTTP into a server of its own, each acknowledged after its commit.

    Processor time is the server's own, its kernel's included; waits are seen by the clients. At the
    end what was acknowledged is compared with what is stored.

    \b
    Example:
      neurobot bench events --seconds 600 --json
    """
    import asyncio

    from admin.bench.events import Plan, bench

    progress = Progress()
    report = asyncio.run(bench(Plan(**load), tell=lambda stage: progress.update(stage, None, None)))
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0 if report["lost"] == 0 else 3


def _text(report: Mapping[str, Any]) -> str:
    heads = ("phase", "events a request", "events/s", "CPU us an event", "learning", "cores",
             "ms p50", "p99", "refused")  # fmt: skip
    rows = [
        [
            name, str(found["events_per_request"]), f"{found['per_second']:,.0f}",
            f"{found['cpu_us']:.1f}", f"{found['learning_us']:.1f}", f"{found['cores']:.2f}",
            f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}", str(found["refused"]),
        ]
        for name, found in report["phases"].items()
    ]  # fmt: skip
    total = f"{report['acknowledged']:,} acknowledged, {report['stored']:,} stored"
    return "\n".join([table(heads, rows), "", f"{total}, {report['lost']} lost"])
