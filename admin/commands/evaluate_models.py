"""``neurobot evaluate classifier``, ``ranker`` and ``desk``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from admin.commands.invocation import json_option, preset_option
from admin.commands.terminal import Progress, show, table

if TYPE_CHECKING:
    from bot.settings import Preset

_FILE = click.Path(path_type=Path)
_CLASSIFIER_COLUMNS = (
    "accuracy", "macro_f1", "top3", "ece", "coverage_at_90", "coverage_at_95", "oos_auroc",
    "oos_recall_at_5", "train_cpu_s", "model_bytes", "latency_ms",
)  # fmt: skip
_RANKER_COLUMNS = (
    "acc_at_1", "recall_at_5", "recall_at_10", "mrr", "ece", "coverage_at_80", "coverage_at_90",
    "train_cpu_s", "model_bytes", "query_ms",
)  # fmt: skip
_DESK_COLUMNS = (
    "hit_at_1", "hit_at_3", "hit_at_5", "category_accuracy", "auto_share", "auto_precision",
    "ece", "train_cpu_s", "query_ms",
)  # fmt: skip


@click.command("classifier")
@click.argument("train", type=_FILE)
@click.argument("test", type=_FILE, required=False)
@click.option("--valid", type=_FILE, help="Tickets that thresholds are chosen on.")
@click.option("--oos", type=_FILE, help="Texts of no category: CSV with 'text', or lines of .txt.")
@click.option("--kb", type=_FILE, help="Knowledge base to train on: question,answer,category.")
@click.option("--unlabelled", type=_FILE, help="Tickets without a category: CSV or lines of .txt.")
@preset_option("default")
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option("--folds", type=click.IntRange(2, 50), help="Cross-validate over TRAIN alone.")
@click.option(
    "--typos", type=click.FloatRange(0, 1), multiple=True,
    help="Share of letters hit; may be given several times.",
)  # fmt: skip
@click.option("--translit", is_flag=True, help="Russian in Latin letters, three schemes.")
@click.option("--layout", is_flag=True, help="Typed in the other keyboard layout.")
@json_option
def classifier(*, train: Path, test: Path | None, as_json: bool, **options: Any) -> int:
    """Train the classifier on TRAIN and judge it on TEST, beside plain linear models.

    Files are CSV or JSONL with 'text' and 'category'. With --folds K every ticket of TRAIN is
    judged by a model of the other folds and TEST is not read.

    \b
    Example:
      neurobot evaluate classifier train.csv test.csv --oos other.csv --seeds 3 --json
    """
    if test is None and options["folds"] is None:
        raise click.UsageError("Name TEST, or cross-validate with --folds K.")
    from admin.evaluate import classifier as evaluation
    from admin.evaluate.files import classifier_plan
    from admin.evaluate.perturbations import variants

    plan = classifier_plan(
        train,
        None if options["folds"] else test,
        valid=options["valid"],
        oos=options["oos"],
        knowledge=options["kb"],
        unlabelled=options["unlabelled"],
        preset=options["preset"],
        seeds=options["seeds"],
        folds=options["folds"] or 0,
        variants=variants(
            typos=options["typos"], translit=options["translit"], layout=options["layout"]
        ),
    )
    progress = Progress()
    report = evaluation.evaluate(plan, progress.update)
    progress.close()
    show(report, as_json=as_json, text=_table(report, _CLASSIFIER_COLUMNS))
    return 0


@click.command("ranker")
@click.argument("folder", type=_FILE)
@click.option("--fold", type=click.IntRange(0), help="Tested fold; the next one is the dev fold.")
@click.option("--cold", is_flag=True, help="Answers and titles alone: no past questions.")
@click.option("--pool", type=click.IntRange(2), help="Rank pools of this size, not all answers.")
@click.option("--past", type=click.IntRange(1), help="Most training questions of an answer.")
@preset_option("default")
@click.option("--seeds", type=click.IntRange(1, 100), default=1, show_default=True)
@json_option
def ranker(
    *,
    folder: Path,
    fold: int | None,
    cold: bool,
    pool: int | None,
    past: int | None,
    preset: Preset,
    seeds: int,
    as_json: bool,
) -> int:
    """Train the ranker on a folder of questions and answers and judge it beside plain search.

    FOLDER holds answers.jsonl (id, text, title) and questions.jsonl (question, answers: a list of
    ids, split or fold, pool), packed with gzip or not.

    \b
    Example:
      neurobot evaluate ranker faq --fold 0 --json
    """
    from admin.evaluate import ranker as evaluation
    from admin.evaluate.corpus import read_corpus

    corpus = read_corpus(folder, fold=fold)
    progress = Progress()
    report = evaluation.evaluate(
        corpus,
        cold=cold,
        pool=pool,
        past=past,
        preset=preset,
        seeds=seeds,
        tell=progress.update,
    )
    progress.close()
    show(report, as_json=as_json, text=_table(report, _RANKER_COLUMNS))
    return 0


@click.command("desk")
@click.argument("knowledge", type=_FILE)
@click.argument("tickets", type=_FILE)
@click.option("--folds", type=click.IntRange(2, 50), default=3, show_default=True)
@preset_option("default")
@click.option(
    "--precision", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True,
    help="Promised precision of automatic answers.",
)  # fmt: skip
@json_option
def desk(
    *, knowledge: Path, tickets: Path, folds: int, preset: Preset, precision: float, as_json: bool
) -> int:
    """Ask every past ticket of what the others taught: what would have been suggested?

    KNOWLEDGE is question,answer,category; TICKETS is text,category,kb_answer. Each fold of the
    tickets is asked of a server trained on the rest; a plain TF-IDF match stands beside it.

    \b
    Example:
      neurobot evaluate desk kb.csv tickets.csv --precision 0.9
    """
    from admin.evaluate import desk as evaluation
    from admin.importers.knowledge import read_knowledge
    from admin.importers.tickets import read_tickets

    articles = read_knowledge(knowledge).accepted(partial=False)
    history = read_tickets(tickets).accepted(partial=False)
    progress = Progress()
    report = evaluation.evaluate(
        articles, history, folds=folds, preset=preset, precision=precision, tell=progress.update
    )
    progress.close()
    show(report, as_json=as_json, text=_table(report, _DESK_COLUMNS))
    return 0


def _table(report: Mapping[str, Any], columns: Sequence[str]) -> str:
    models = {"neurobot": report["ours"], **report["peers"]}
    lines = [table(("", *models), _rows(models, columns))]
    disturbed = {name: found["perturbed"] for name, found in models.items() if "perturbed" in found}
    if disturbed:
        lines += ["", "Perturbed texts:", table(("", *disturbed), _rows(disturbed, columns))]
        kinds = next(iter(disturbed.values()))["accuracy_by_variant"]
        by_kind = [
            (kind, *(_cell(found["accuracy_by_variant"][kind]) for found in disturbed.values()))
            for kind in kinds
        ]
        lines += ["", table(("accuracy", *disturbed), by_kind)]
    data = ", ".join(f"{key} {value}" for key, value in report["data"].items() if value is not None)
    return "\n".join([*lines, "", f"{data}; preset {report['preset']}"])


def _rows(models: Mapping[str, Any], columns: Sequence[str]) -> list[list[str]]:
    return [
        [column, *(_cell(found.get(column)) for found in models.values())] for column in columns
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return f"{_cell(value['p50'])} / {_cell(value['p99'])}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
