"""``neurobot evaluate promise``: whether a promised precision is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin.commands.invocation import json_option, preset_option
from admin.commands.terminal import Progress, show

if TYPE_CHECKING:
    from bot.settings import Preset

_FILE = click.Path(path_type=Path)


@click.command("promise")
@click.argument("tickets", type=_FILE, nargs=-1, required=True)
@click.option("--kb", type=_FILE, help="Knowledge base to train on: question,answer,category.")
@click.option("--splits", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--precision", type=click.Choice(["0.9", "0.95", "0.98"]), default="0.95",
              show_default=True)  # fmt: skip
@preset_option("default")
@json_option
def promise(
    *,
    tickets: tuple[Path, ...],
    kb: Path | None,
    splits: int,
    precision: str,
    preset: Preset,
    as_json: bool,
) -> int:
    """Keep a promised precision on tickets that were left out, in many random splits.

    Each split trains on four fifths of TICKETS (CSV or JSONL with 'text' and 'category'), chooses
    the threshold from their own folds, and judges the rest.

    \b
    Example:
      neurobot evaluate promise train.csv test.csv --splits 20 --precision 0.95
    """
    from admin.evaluate.promise import evaluate
    from admin.importers.knowledge import read_knowledge
    from admin.importers.tickets import read_tickets

    rows = [row for path in tickets for row in read_tickets(path).accepted(partial=False)]
    knowledge = read_knowledge(kb).accepted(partial=False) if kb is not None else []
    progress = Progress()
    report = evaluate(
        rows,
        knowledge=knowledge,
        splits=splits,
        precision=float(precision),
        preset=preset,
        tell=progress.update,
    )
    progress.close()
    ours = report["ours"]
    kept = "-" if ours["precision"] is None else f"{ours['precision']:.3f}"
    text = (
        f"promised {precision}, kept {kept} (at least {ours['precision_low']:.3f} in 95 of 100 "
        f"such measurements)\naccepted {ours['coverage']:.3f} of {report['data']['judged']} "
        f"tickets in {splits} splits; all of them: {ours['accuracy']:.3f} right"
    )
    show(report, as_json=as_json, text=text)
    return 0
