"""``neurobot bench peers``: how many times faster than what one would pick instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from admin.commands.bench_texts import Sizes, folder_option, sources_of
from admin.commands.terminal import Progress, say, table

if TYPE_CHECKING:
    from admin.bench.judge import Judge

PARTS = ("stacks", "reading", "writing", "chats", "search")


@click.command("peers")
@click.option("--n", type=Sizes(), default="10000,100000", show_default=True, help="Answers.")
@click.option("--seconds", type=click.FloatRange(0.05, 600), default=5.0, show_default=True,
              help="Of each phase of load.")  # fmt: skip
@click.option("--messages", type=click.IntRange(100, 10_000_000), default=1_000_000,
              show_default=True, help="Stored messages that are searched.")  # fmt: skip
@click.option("--chats", type=click.IntRange(10, 20_000), default=2000, show_default=True,
              help="Open chats.")  # fmt: skip
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, default=PARTS,
              help="Only these rows; all by default.")  # fmt: skip
@click.option("--growth", is_flag=True, help="Measure how the cost grows too, and draw it.")
@click.option("--install/--no-install", default=True, help="Install peers that are not there.")
@click.option("--write", "path", type=click.Path(path_type=Path), default=Path("build/bench.json"),
              show_default=True, help="The report; the peers lie beside it.")  # fmt: skip
@folder_option
def peers(*, path: Path, folder: Path | None, **wanted: Any) -> int:
    """The server, its models and its store beside what one would pick instead, in one run.

    Peers run as processes of their own in an environment of their own. Exit code 3: a row is below
    its floor; 4: none is, but others used the machine, so some rows are void.

    \b
    Example:
      neurobot bench peers --n 1000 --seconds 2
    """
    from admin.bench.judge import Judge
    from admin.bench.quiet import MOST_FOREIGN_CORES
    from admin.bench.report import lines

    progress = Progress()
    judge = Judge(progress.update)
    path.parent.mkdir(parents=True, exist_ok=True)
    grown = _measure(judge, path.parent, folder, wanted)
    progress.close()
    comparison = judge.comparison
    document: dict[str, Any] = comparison.document(MOST_FOREIGN_CORES) | grown
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    click.echo(table(*lines(comparison)))
    busiest = max(comparison.foreign.values(), default=0.0)
    state = "quiet" if not comparison.void else "not quiet"
    say(
        f"The machine was {state}: others used {busiest:.2f} of a core at most, "
        f"{MOST_FOREIGN_CORES} are allowed. {path} has all figures."
    )
    for one in comparison.skipped:
        say(f"skipped {one.id}: {one.reason}")
    return comparison.exit_code()


def _measure(
    judge: Judge, build: Path, folder: Path | None, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    from admin.bench.growth import Growth, draw
    from admin.bench.holding import Holding
    from admin.bench.material import Material
    from admin.bench.peer_environment import prepare
    from admin.bench.reading import Reading
    from admin.bench.stacks import Load, Stacks
    from admin.bench.writing import Writing

    sources, _ = sources_of(folder)
    kept = build / "bench"
    kept.mkdir(exist_ok=True)
    material = Material(kept, sources, judge.tell)
    sides = prepare(build / "peers-venv", judge.tell, install=wanted["install"])
    load, sizes, parts = Load(wanted["seconds"]), wanted["n"], wanted["parts"]
    if "stacks" in parts:
        Stacks(judge, material, sides, load).compare(sizes)
    if "reading" in parts:
        Reading(judge, material, sides).compare(max(sizes))
    if "writing" in parts:
        Writing(judge, sides, kept, wanted["seconds"]).compare()
    holding = Holding(judge, material)
    if "chats" in parts:
        holding.connections(wanted["chats"])
    if "search" in parts:
        holding.search(wanted["messages"])
    if not wanted["growth"]:
        return {}
    grown = Growth(judge, material, load).figures(sorted({1000, *sizes}), (0, wanted["messages"]))
    draw(grown, build / "growth.svg")
    return {"growth": grown}
