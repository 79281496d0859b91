"""``neurobot evaluate results``: the table of docs/results.md."""

from __future__ import annotations

from pathlib import Path

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import say, show

_FOUND_PROBLEMS = 3


@click.command("results")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default=Path("build/results"),
              show_default=True, help="Reports are kept here; a second call goes on.")  # fmt: skip
@click.option("--write", type=click.Path(path_type=Path), help="Document to put the table into.")
@click.option("--only", multiple=True, help="Names of runs; may be given several times.")
@click.option("--fresh", is_flag=True, help="Run again what has been run.")
@json_option
def results(
    *,
    data: Path,
    work: Path,
    write: Path | None,
    only: tuple[str, ...],
    fresh: bool,
    as_json: bool,
) -> int:
    """Measure everything on the public corpora under DATA; takes about an hour.

    Exit code 3 when a figure is under its floor or was not measured.

    \b
    Example:
      neurobot evaluate results corpora --write docs/results.md
    """
    from admin.results import running
    from admin.results.table import RUNS

    unknown = [name for name in only if name not in RUNS]
    if unknown:
        known = ", ".join(RUNS)
        raise click.BadParameter(f"there is no run '{unknown[0]}'; there are {known}.")
    running.run_all(data, work, only or tuple(RUNS), fresh=fresh, tell=say)
    reports = running.read_reports(work)
    if write is not None:
        running.write_table(write, reports)
    missed = running.misses(reports)
    text = "\n".join([running.tables(reports), "", "Under the floor or not measured:", *missed])
    show({"missed": missed, "runs": sorted(reports)}, as_json=as_json, text=text)
    return _FOUND_PROBLEMS if missed else 0
