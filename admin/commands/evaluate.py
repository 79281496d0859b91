"""``neurobot evaluate``: replay here, the others in ``evaluate_models``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from admin.commands.churn import churn
from admin.commands.clv import clv
from admin.commands.evaluate_content import content
from admin.commands.evaluate_models import classifier, desk, ranker
from admin.commands.invocation import json_option, preset_option
from admin.commands.promise import promise
from admin.commands.results import results
from admin.commands.team import team
from admin.commands.terminal import Progress, show, table

_FILE = click.Path(path_type=Path)
FOUND_PROBLEMS = 3


@click.group("evaluate")
def command() -> None:
    """Measure the product on a corpus of your own.

    \b
    Example:
      neurobot evaluate replay --knowledge kb.csv --train train.csv --test test.csv
      neurobot evaluate classifier train.csv test.csv
      neurobot evaluate ranker faq --fold 0
      neurobot evaluate desk kb.csv tickets.csv
    """


command.add_command(classifier)
command.add_command(ranker)
command.add_command(desk)
command.add_command(content)
command.add_command(promise)
command.add_command(results)
command.add_command(team)
command.add_command(churn)
command.add_command(clv)


@command.command("replay")
@click.option(
    "--knowledge", type=_FILE, required=True, help="Knowledge base: question,answer,category."
)
@click.option("--train", type=_FILE, required=True, help="Past tickets: text,category,kb_answer.")
@click.option("--test", type=_FILE, required=True, help="Tickets to ask, same columns.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--per-second", type=click.FloatRange(0.1, 1000), default=20.0, show_default=True)
@preset_option()
@json_option
def replay_corpus(
    *,
    knowledge: Path,
    train: Path,
    test: Path,
    repeat: int,
    per_second: float,
    preset: str,
    as_json: bool,
) -> int:
    """Import, train, ask every test ticket over Telegram, report.

    Runs the server's own parts in a temporary folder against a Bot API on this machine; sends
    nothing out and keeps nothing but the report. Exit code 3 when a message was lost.

    \b
    Example:
      neurobot evaluate replay --knowledge kb.csv --train train.csv --test test.csv --repeat 10
    """
    import asyncio

    from admin.evaluate.replay import read_corpus, replay

    corpus = read_corpus(knowledge, train, test)
    progress = Progress()
    report = asyncio.run(
        replay(corpus, repeat=repeat, per_second=per_second, preset=preset, tell=progress.update)
    )
    progress.close()
    show(report, as_json=as_json, text=_text(report))
    return FOUND_PROBLEMS if report["server"]["lost"] else 0


def _text(report: dict[str, Any]) -> str:
    server, plain = report["server"], report["tfidf"]
    rows = [
        (name, f"{server[key]:.3f}", f"{plain[key]:.3f}" if key in plain else "-")
        for name, key in (
            ("category first", "category_top1"),
            ("category in the first 3", "category_top3"),
            ("answer first", "answer_top1"),
            ("answer in the first 3", "answer_top3"),
            ("answer in the first 5", "answer_top5"),
        )
    ]
    waits = server["update_to_suggestion_ms"]
    return "\n".join(
        [
            table(("share of tickets", "neurobot", "TF-IDF match"), rows),
            f"update to stored suggestion: p50 {waits['p50']} ms, p99 {waits['p99']} ms",
            f"sent {server['sent']}, lost {server['lost']}; training took {report['training_s']} s",
        ]
    )
