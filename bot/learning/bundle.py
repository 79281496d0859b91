"""Writes a bundle: trains what the data allows, describes it, seals it, gives it its name."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bot.learning.dataset import Dataset
from bot.serving import BUNDLE_FILE
from bot.settings import Preset
from nlp.artifacts import publish, save_json, write_manifest

Progress = Callable[[str, float], None]
"""Told a stage and the share of the whole job done, 0..1."""

# Where each stage lies within the whole job, from its usual share of the time.
_CLASSIFIER: Final = (0.0, 0.3)
_RANKING: Final = MappingProxyType(
    {"folds": (0.3, 0.75), "correction": (0.75, 0.8), "ranker": (0.8, 0.97)}
)


class NothingToTrain(ValueError):
    """Neither categories nor answered questions are enough; the text says what is missing."""


def new_version(now: float) -> str:
    """A name such as ``20261123-210500-3f2a``: UTC time, and four digits against twins."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def train_bundle(
    data: Dataset,
    artefacts: Path,
    *,
    seed: int,
    threads: int,
    preset: Preset,
    budget_s: float = 600.0,
    progress: Progress,
) -> tuple[str, dict[str, Any]]:
    """Train, publish, and give version and metrics.

    ``budget_s`` is what the preset ``auto`` may spend on comparing classifiers, and again on
    comparing rankers.

    Raises:
        NothingToTrain: no part could be trained; nothing is published.
    """
    now = time.time()
    version = new_version(now)
    folder = artefacts / f".new-{version}"
    folder.mkdir(parents=True)
    try:
        metrics = _train_parts(
            data, folder, seed=seed, threads=threads, preset=preset, budget_s=budget_s,
            progress=progress,
        )  # fmt: skip
        progress("publishing", 0.98)
        about = {
            "version": version,
            "created_at": now,
            "preset": preset,
            "seed": seed,
            "data": data.counts,
            "metrics": metrics,
        }
        save_json(folder / BUNDLE_FILE, about)
        write_manifest(folder)
        publish(folder, artefacts / version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return version, metrics


def _train_parts(
    data: Dataset,
    folder: Path,
    *,
    seed: int,
    threads: int,
    preset: Preset,
    budget_s: float,
    progress: Progress,
) -> dict[str, Any]:
    # In here, because importing the trainers loads torch, which the server must never do.
    from bot.learning.ranking import train_ranking  # noqa: PLC0415
    from nlp.train.classifier import LabelledText, TooLittleData, fit_classifier  # noqa: PLC0415

    metrics: dict[str, Any] = {"data": data.counts}
    missing = []
    try:
        metrics["classifier"] = fit_classifier(
            [LabelledText(row.text, row.category, row.origin) for row in data.rows],
            folder / "classifier",
            seed=seed,
            threads=threads,
            preset=preset,
            unlabelled=data.unlabelled,
            budget_s=budget_s,
            progress=lambda stage, share: progress(
                f"classifier: {stage}", _within(_CLASSIFIER, share)
            ),
        )
    except TooLittleData as error:
        missing.append(f"categories: {error}")
    metrics["ranking"] = train_ranking(
        data.items,
        [(row.text, row.answer_id) for row in data.questions],
        folder,
        seed=seed,
        threads=threads,
        preset=preset,
        budget_s=budget_s,
        progress=lambda stage, share: progress(
            f"ranking: {stage}", _within(_RANKING.get(stage, (0.3, 0.3)), share)
        ),
    )
    trained = [part for part in ("classifier", "ranker", "correction") if (folder / part).is_dir()]
    if not trained:
        missing.append("ranking: too few questions with a known answer")
        raise NothingToTrain("; ".join(missing))
    metrics["trained"] = trained
    return metrics


def _within(span: tuple[float, float], share: float) -> float:
    return span[0] + (span[1] - span[0]) * share
