"""``neurobot bench content``: speed of recommendations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from admin.commands.bench_texts import folder_option, sources_of
from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table


@click.command("content")
@click.option("--n", "sizes", type=click.IntRange(1, 1_000_000), multiple=True, default=(100_000,),
              show_default=True, help="Items; may be given several times.")  # fmt: skip
@folder_option
@json_option
def content(*, sizes: tuple[int, ...], folder: Path | None, as_json: bool) -> int:
    """Profile updates a second, and queries on a catalogue of this size.

    Items are support articles of 60-150 words. A hundred thousand take two minutes and 2 GB.

    \b
    Example:
      neurobot bench content --n 100000 --json
    """
    from admin.bench.content import bench

    sources, name = sources_of(folder)
    progress = Progress()
    report = bench(sources, sizes, name=name, tell=progress.update)
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: Mapping[str, Any]) -> str:
    heads = ("items", "updates/s", "item views/s", "query ms p50", "p99", "add ms p50", "p99",
             "build CPU s")  # fmt: skip
    rows = [
        [
            f"{one['n']:,}", f"{one['page_updates_per_s']:,.0f}",
            f"{one['item_updates_per_s']:,.0f}", f"{one['query_ms']['p50']:.2f}",
            f"{one['query_ms']['p99']:.2f}", f"{one['add_ms']['p50']:.2f}",
            f"{one['add_ms']['p99']:.2f}", f"{one['build_cpu_s']:.1f}",
        ]
        for one in report["results"]
    ]  # fmt: skip
    return table(heads, rows)
