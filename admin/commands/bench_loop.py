"""``neurobot bench loop``: what training and changing models cost those who ask meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from admin.commands.bench_texts import folder_option, sources_of
from admin.commands.invocation import json_option, preset_option
from admin.commands.terminal import Progress, show, table


@click.command("loop")
@click.option("--n", "articles", type=click.IntRange(1, 1_000_000), default=1,
              help="Articles; made of the texts where those are fewer.")  # fmt: skip
@click.option("--per-second", type=click.FloatRange(0.1, 1000), default=10.0, show_default=True,
              help="Suggestions asked for, and messages written.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1), default=60.0, show_default=True,
              help="Length of a phase.")  # fmt: skip
@click.option("--swaps", type=click.IntRange(1, 1000), default=10, show_default=True,
              help="Times that the other model is promoted and rolled back.")  # fmt: skip
@click.option("--clients", type=click.IntRange(1, 256), default=8, show_default=True,
              help="Who ask without a pause while models change places.")  # fmt: skip
@click.option("--shadow", is_flag=True, help="Measure with a model in the shadow too.")
@preset_option()
@folder_option
@json_option
def loop(*, folder: Path | None, as_json: bool, **load: Any) -> int:
    """Suggestions while the desk trains, and while models are promoted and rolled back.

    A server of its own is trained once and asked at a fixed rate: quietly, while it trains again,
    and quietly again. Then models change places while more clients ask than it can answer at once.

    \b
    Example:
      neurobot bench loop --n 10000 --per-second 20 --json
    """
    import asyncio

    from admin.bench.loop import Plan, bench

    sources, name = sources_of(folder)
    progress = Progress()
    report = asyncio.run(
        bench(
            sources, Plan(**load), name=name, tell=lambda stage: progress.update(stage, None, None)
        )
    )
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: Mapping[str, Any]) -> str:
    beside = report.get("shadow", {})
    rows = [
        [name, str(found["n"]), f"{found['p50']:.1f}", f"{found['p99']:.1f}", str(found["failed"])]
        for name, found in [
            *report["phases"].items(),
            *((f"shadow: {key}", beside[key]) for key in ("without", "with") if key in beside),
        ]
    ]
    swaps = report["swaps"]
    kept = f"{swaps['same']} of {swaps['asked']} questions are answered as before"
    return "\n".join([
        table(("suggestions", "n", "ms p50", "p99", "failed"), rows),
        "",
        f"p99 while training / without: {report['training']['p99_ratio']:.2f}",
        *(
            f"{key}: {swaps[f'{key}_ms']['median']:.0f} ms, slowest {swaps[f'{key}_ms']['max']:.0f}"
            for key in ("promote", "rollback")
        ),
        f"{swaps['failed']} of {swaps['requests']} requests failed meanwhile; {kept}",
    ])  # fmt: skip
