"""Writes a bundle: trains what the data allows, describes it, seals it, gives it its name."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from bot.bundles import BUNDLE_FILE
from bot.learning.dataset import Dataset
from bot.learning.frozen import training_texts
from bot.learning.seen import save_seen
from bot.settings import Preset
from nlp.artifacts import load_json, publish, save_json, seal_of, verify, write_manifest

Part = Literal["classifier", "ranker", "all"]
PARTS: Final = ("classifier", "ranker", "correction")
Judge = Callable[[Path, Mapping[str, Any]], Mapping[str, Any]]
Progress = Callable[[str, float], None]
"""Told a stage and the share of the whole job done, 0..1."""

# Where each stage lies within the whole job, from its usual share of the time.
_CLASSIFIER: Final = (0.0, 0.3)
_RANKING: Final = MappingProxyType(
    {"folds": (0.3, 0.72), "correction": (0.72, 0.77), "ranker": (0.77, 0.92)}
)


class NothingToTrain(ValueError):
    """Neither categories nor answered questions are enough; the text says what is missing."""


def new_version(now: float) -> str:
    """A name such as ``20261123-210500-3f2a``: UTC time, and four digits against twins."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a bundle is trained, and beside what.

    Attributes:
        part: to train; the other parts are taken over from ``champion``.
        champion: folder of the live bundle.
        notes: added to the metrics.
        judge: given the finished folder and the metrics before it is published; what it finds is
            added to the metrics that are given, not to those in the folder.
    """

    part: Part = "all"
    champion: Path | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    judge: Judge | None = None


_EVERYTHING: Final = Plan()


def train_bundle(
    data: Dataset,
    artefacts: Path,
    *,
    seed: int,
    threads: int,
    preset: Preset,
    budget_s: float = 600.0,
    plan: Plan = _EVERYTHING,
    progress: Progress,
) -> tuple[str, dict[str, Any]]:
    """Train, publish, and give version and metrics.

    ``budget_s`` is what the preset ``auto`` may spend on comparing classifiers, and again on
    comparing rankers.

    Raises:
        NothingToTrain: no part could be trained; nothing is published.
        ArtifactDamaged: the champion's parts cannot be taken over.
    """
    now = time.time()
    version = new_version(now)
    folder = artefacts / f".new-{version}"
    folder.mkdir(parents=True)
    try:
        metrics: dict[str, Any] = {"data": data.counts, **plan.notes}
        missing = _train_parts(
            data, folder, metrics, seed=seed, threads=threads, preset=preset, budget_s=budget_s,
            part=plan.part, progress=progress,
        )  # fmt: skip
        _complete(data, folder, metrics, plan, missing)
        progress("publishing", 0.93)
        about = {"version": version, "created_at": now, "preset": preset, "seed": seed}
        save_json(folder / BUNDLE_FILE, about | {"data": data.counts, "metrics": metrics})
        write_manifest(folder)
        found = plan.judge(folder, metrics) if plan.judge is not None else {}
        publish(folder, artefacts / version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return version, {**metrics, **found, "seal": seal_of(artefacts / version)}


def _complete(
    data: Dataset, folder: Path, metrics: dict[str, Any], plan: Plan, missing: Sequence[str]
) -> None:
    """Add what was not trained, and what each part has seen."""
    fresh = [name for name in PARTS if (folder / name).is_dir()]
    if not fresh:
        raise NothingToTrain("; ".join(missing))
    kept = plan.champion if plan.part != "all" else None
    if kept is not None:
        _take_over(kept, folder, metrics, "ranker" if plan.part == "classifier" else "classifier")
    trained = ("classifier", "ranker") if plan.part == "all" else (plan.part,)
    save_seen(folder, training_texts(data), trained, kept)
    metrics["trained"] = [name for name in PARTS if (folder / name).is_dir()]
    metrics["fresh"] = fresh


def _train_parts(
    data: Dataset,
    folder: Path,
    metrics: dict[str, Any],
    *,
    seed: int,
    threads: int,
    preset: Preset,
    budget_s: float,
    part: Part,
    progress: Progress,
) -> list[str]:
    """Train into the folder, add the figures to the metrics, and say what could not be trained."""
    # In here, because importing the trainers loads torch, which the server must never do.
    from bot.learning.ranking import train_ranking  # noqa: PLC0415
    from nlp.train.classifier import LabelledText, TooLittleData, fit_classifier  # noqa: PLC0415

    missing = []
    if part != "ranker":
        rows = [LabelledText(row.text, row.category, row.origin) for row in data.rows]
        try:
            metrics["classifier"] = fit_classifier(
                rows, folder / "classifier", seed=seed, threads=threads, preset=preset,
                unlabelled=data.unlabelled, budget_s=budget_s,
                progress=lambda stage, share: progress(
                    f"classifier: {stage}", _within(_CLASSIFIER, share)
                ),
            )  # fmt: skip
        except TooLittleData as error:
            missing.append(f"categories: {error}")
    if part != "classifier":
        questions = [(row.text, row.answer_id) for row in data.questions]
        metrics["ranking"] = train_ranking(
            data.items, questions, folder, seed=seed, threads=threads, preset=preset,
            budget_s=budget_s,
            progress=lambda stage, share: progress(
                f"ranking: {stage}", _within(_RANKING.get(stage, (0.3, 0.3)), share)
            ),
        )  # fmt: skip
        if not (folder / "ranker").is_dir():
            missing.append("ranking: too few questions with a known answer")
    return missing


def _take_over(champion: Path, folder: Path, metrics: dict[str, Any], part: Part) -> None:
    """Copy a part of the live bundle that was not trained, with its figures."""
    verify(champion)
    theirs = load_json(champion / BUNDLE_FILE).get("metrics", {})
    for name in ("classifier",) if part == "classifier" else ("ranker", "correction"):
        if (champion / name).is_dir():
            shutil.copytree(champion / name, folder / name)
    figures = "classifier" if part == "classifier" else "ranking"
    if figures in theirs:
        metrics[figures] = theirs[figures]
    metrics["taken_over"] = [part, champion.name]


def _within(span: tuple[float, float], share: float) -> float:
    return span[0] + (span[1] - span[0]) * share
