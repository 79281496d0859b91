"""``neurobot evaluate team``: how the desk learns from simulated agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from admin.commands.invocation import json_option, preset_option
from admin.commands.terminal import Progress, show, table


@click.command("team")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--fold", type=int, help="Judged fold; default: each seed judges another.")
@click.option("--retrain", type=click.IntRange(1), default=200, show_default=True,
              help="Answers between trainings.")  # fmt: skip
@click.option("--error", type=click.FloatRange(0, 1), default=0.05, show_default=True,
              help="Share of answers taken by mistake.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The first.")
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True,
              help="How many, each the next number.")  # fmt: skip
@click.option("--most", type=click.IntRange(1), help="Questions asked; default: all.")
@preset_option()
@json_option
def team(
    *,
    folder: Path,
    fold: int | None,
    retrain: int,
    error: float,
    seed: int,
    seeds: int,
    most: int | None,
    preset: str,
    as_json: bool,
) -> int:
    """Let a simulated team work through a folder of questions, and retrain as it goes.

    For each seed two servers run here in temporary folders: one retrains every so many answers, one
    never does. After each step both are judged on the test questions, which nobody asks.

    \b
    Example:
      neurobot evaluate team faq --retrain 175 --seeds 5
    """
    from admin.evaluate.corpus import read_corpus
    from admin.evaluate.team import Plan, run

    corpus = read_corpus(folder, fold=fold)
    folds = corpus.folds if fold is None else ()
    plans = [
        (
            read_corpus(folder, fold=folds[number % len(folds)]) if folds else corpus,
            Plan(error, every, number, preset or "default", most or 0),
        )
        for number in range(seed, seed + seeds)
        for every in (0, retrain)
    ]
    progress = Progress()
    report = run(plans, lambda stage: progress.update(stage, None, None))
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: dict[str, Any]) -> str:
    rows = [
        (
            str(one["seed"]),
            "" if one["fold"] is None else str(one["fold"]),
            f"every {one['retrain']}" if one["retrain"] else "never",
            str(point["verdicts"]),
            f"{point['past']:.1f}",
            f"{point['hit_at_1']:.3f}",
            f"{point['hit_at_5']:.3f}",
        )
        for one in report["runs"]
        for point in one["curve"]
    ]
    head = ("seed", "fold", "retrained", "answered", "past questions", "hit@1", "hit@5")
    found = report["summary"]
    said = f"{found['trainings']} trainings, {found['promoted']} went live"
    return f"{table(head, rows)}\n{said}, {found['worse']} of them worse than what they replaced"
