"""A whole training: doubtful sources out, the frozen slice held back, trained, judged.

Runs in the child process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.learning.bundle import Part, Plan, Progress, train_bundle
from bot.learning.dataset import Dataset
from bot.learning.frozen import hold_out_frozen
from bot.learning.judging import Evidence, judge
from bot.learning.poison import suspicious_sources, without_sources
from bot.settings import Preset
from bot.store.records import Canary


def train_challenger(
    data: Dataset,
    artefacts: Path,
    *,
    seed: int,
    threads: int,
    preset: Preset,
    budget_s: float,
    part: Part = "all",
    champion: Path | None = None,
    canaries: Sequence[Canary] = (),
    progress: Progress,
) -> tuple[str, dict[str, Any]]:
    """Train, publish and judge; gives the version and its metrics.

    The metrics: ``data`` (sizes), ``sources`` (those left out, as ``Suspicion``), ``classifier``
    (see ``fit_classifier``), ``ranking`` (see ``train_ranking``), ``trained`` and ``fresh`` (parts
    there are, parts made now), ``taken_over`` (part and version it came from), ``frozen``
    (``rows``, ``questions`` and the share right, ``categories`` and ``answers``), ``latency_ms``
    and ``bytes``, ``canaries`` (``question``, ``kept``, ``wanted``, ``got``), ``ruling`` (see
    ``Ruling.as_metrics``) and ``seal`` (digest of the manifest).

    Raises:
        NothingToTrain: no part could be trained; nothing is published.
        ArtifactDamaged: parts of the live bundle were to be taken over and are damaged.
    """
    progress("checking sources", 0.0)
    suspicions = suspicious_sources(data, seed=seed)
    data = without_sources(data, {one.source for one in suspicions})
    known, held = hold_out_frozen(data)
    evidence = Evidence(known, held, canaries, suspicions)

    def judged(folder: Path, metrics: Mapping[str, Any]) -> dict[str, Any]:
        progress("judging", 0.94)
        ruling, figures = judge(folder, evidence, champion, metrics)
        return {**figures, "ruling": ruling.as_metrics()}

    return train_bundle(
        known, artefacts, seed=seed, threads=threads, preset=preset, budget_s=budget_s,
        plan=Plan(part, champion, {"sources": [asdict(one) for one in suspicions]}, judged),
        progress=progress,
    )  # fmt: skip
