"""``neurobot bench``: how fast the parts are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from admin.commands.bench_content import content
from admin.commands.bench_events import events
from admin.commands.bench_insights import insights
from admin.commands.bench_loop import loop
from admin.commands.bench_panel import panel
from admin.commands.bench_peers import peers
from admin.commands.bench_texts import Sizes, folder_option, sources_of
from admin.commands.invocation import json_option
from admin.commands.terminal import Progress, show, table


@click.group("bench")
def command() -> None:
    """Measure speed on knowledge bases of any size.

    Texts are recombined from the demo company's or from a folder of answers and questions.

    \b
    Example:
      neurobot bench index --n 10000,100000
    """


command.add_command(loop)
command.add_command(events)
command.add_command(panel)
command.add_command(insights)
command.add_command(content)
command.add_command(peers)


@command.command("index")
@click.option("--n", "sizes", type=Sizes(), default="10000,100000", show_default=True)
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True)
@folder_option
@json_option
def index(*, sizes: tuple[int, ...], device: str, folder: Path | None, as_json: bool) -> int:
    """Recall and speed of the vector index on vectors of a trained model.

    The towers are trained on the texts first. A million vectors take up to ten minutes and 5 GB.

    \b
    Example:
      neurobot bench index --n 10000,100000,1000000 --json
    """
    from admin.bench import index as benchmark

    sources, name = sources_of(folder)
    progress = Progress()
    report = benchmark.bench(sources, sizes, device=device, name=name, tell=progress.update)
    progress.close()
    show(report, as_json=as_json, text=_index_text(report))
    return 0


@command.command("query")
@click.option("--n", "sizes", type=Sizes(), default="10000", show_default=True)
@click.option("--past", type=click.IntRange(0, 100), default=1, show_default=True,
              help="Past questions of each article.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="cpu")
@folder_option
@json_option
def query(
    *, sizes: tuple[int, ...], past: int, device: str, folder: Path | None, as_json: bool
) -> int:
    """The whole path of a question, as the server answers it.

    A bundle is trained on the texts, then support articles of 60-150 words are made of them. A
    hundred thousand articles take some ten minutes and 5 GB.

    \b
    Example:
      neurobot bench query --n 10000,100000 --past 5 --json
    """
    from admin.bench import query as benchmark

    sources, name = sources_of(folder)
    progress = Progress()
    report = benchmark.bench(
        sources, sizes, past=past, device=device, name=name, tell=progress.update
    )
    progress.close()
    show(report, as_json=as_json, text=_query_text(report))
    return 0


def _index_text(report: Mapping[str, Any]) -> str:
    heads = ("n", "kind", "on", "lists", "probes", "recall@10", "ms p50", "p99", "CPU",
             "in batches", "limit ms", "of limit", "build s", "MB")  # fmt: skip
    rows = [
        _index_row(result["n"], figures)
        for result in report["results"]
        for figures in result.values()
        if isinstance(figures, Mapping)
    ]
    data, machine = report["data"], report["machine"]
    about = f"{data['texts']}, {data['sources']} sources; {data['vectors']}; {machine['reason']}"
    return "\n".join([table(heads, rows), "", about])


def _index_row(size: int, figures: Mapping[str, Any]) -> list[str]:
    single, batch = figures["query_ms"], figures["batch_query_ms"]
    share = figures["limit_share"]
    return [
        f"{size:,}", figures["kind"], figures["device"], str(figures["lists"]),
        str(figures["probes"]), f"{figures['recall_at_10']:.3f}", f"{single['p50']:.3f}",
        f"{single['p99']:.3f}", f"{single['cpu_p50']:.3f}", f"{batch['cpu_p50']:.3f}",
        "-" if share is None else f"{figures['limit_ms']:.3f}",
        "-" if share is None else f"{share:.2f}", f"{figures['build_cpu_s']:.1f}",
        f"{figures['bytes'] / 1e6:.0f}",
    ]  # fmt: skip


def _query_text(report: Mapping[str, Any]) -> str:
    heads = ("articles", "ms p50", "p99", "CPU", "search CPU", "classify CPU", "build s",
             "bytes each")  # fmt: skip
    rows = [
        [
            f"{found['n']:,}", f"{found['query_ms']['p50']:.2f}", f"{found['query_ms']['p99']:.2f}",
            f"{found['query_ms']['cpu_p50']:.2f}", f"{found['search_ms']['cpu_p50']:.2f}",
            f"{found['classify_ms']['cpu_p50']:.2f}" if "classify_ms" in found else "-",
            f"{found['build_cpu_s']:.1f}", f"{found['bytes_per_answer']:,.0f}",
        ]
        for found in report["results"]
    ]  # fmt: skip
    data = report["data"]
    about = f"{data['texts']}, {data['sources']} sources, {data['past_questions']} past questions"
    return "\n".join([table(heads, rows), "", f"{about}; trained: {', '.join(data['parts'])}"])
