"""Trains a ticket classifier: chooses by cross-validation, calibrates, writes a folder.

Nothing that is fitted in a fold sees what the fold holds out, so reported figures, calibration and
thresholds are those of messages the model has not met.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.artifacts import save_json
from nlp.calibration import ISOTONIC_FROM, Isotonic, threshold_for
from nlp.classifier import ClassifierState, ForeignRule, Member, TicketClassifier, blend
from nlp.features import (
    Features,
    HashedTrigrams,
    Rows,
    VocabularyFeatures,
    no_rows,
    prepare,
)
from nlp.labels import encode
from nlp.layout import LayoutReader
from nlp.metrics import (
    accuracy,
    auroc,
    by_category,
    confusions,
    expected_calibration_error,
    macro_f1,
    reliability,
    top_k_accuracy,
)
from nlp.train.auto import BUDGET_S, choose_auto
from nlp.train.choice import NETWORKS, Choice, Task, choose_default, choose_single
from nlp.train.foreign import foreign_questions
from nlp.train.loop import Progress, silent
from nlp.train.problem import HeldOut, read_texts
from nlp.train.rows import LabelledText, TooLittleData, clean_rows, make_folds

__all__ = ["LabelledText", "Preset", "TooLittleData", "fit_classifier"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Preset = Literal["default", "fast", "seed", "ff", "cnn", "rnn", "auto"]

METRICS: Final = "metrics.json"
_PROMISES: Final = (0.9, 0.95, 0.98)
_MOST_UNLABELLED: Final = 20_000
_MOST_CONFUSIONS: Final = 200
_REJECTED: Final = 0.05  # share of own tickets that may look foreign


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What the chosen variant became on all rows."""

    reader: LayoutReader
    features: Features | None
    members: tuple[Member, ...]


def fit_classifier(
    rows: Sequence[LabelledText],
    folder: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    preset: Preset = "default",
    foreign: Sequence[str] = (),
    unlabelled: Sequence[str] = (),
    budget_s: float = BUDGET_S,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on rows and write the model and its metrics into ``folder``.

    Args:
        rows: tickets and knowledge-base questions and answers with their categories.
        folder: created; gets ``classifier.json``, ``classifier.safetensors``, ``metrics.json``.
        seed: same seed and rows, same model (on the same machine with the same threads).
        threads: torch threads.
        preset: ``default``; ``fast`` (linear, few variants); ``seed`` (hashed trigrams, softsign);
            ``ff`` (the network of ``default`` alone); ``cnn`` and ``rnn`` (words in their order);
            ``auto`` (the best of them all).
        foreign: texts that people marked as not for this desk.
        unlabelled: tickets without a category, for desks with few that have one.
        budget_s: wall seconds that ``auto`` may spend on comparing.
        progress: told stages and their share.

    Returns:
        Cross-validated figures: ``accuracy``, ``macro_f1``, ``top3``, ``ece``, ``foreign_auroc``,
        ``foreign_recall``, sizes, what was tried and chosen, ``cpu_s``, and what ``_pictured`` has.

    Raises:
        TooLittleData: fewer than two categories or 10 rows.
    """
    started = time.process_time()
    kept = clean_rows(rows)
    progress("reading", 0.0)
    labels, task = _read(kept, foreign, unlabelled, seed=seed, threads=threads)
    choice = _choose(task, preset, progress, budget_s)
    progress("training", 0.6)
    fitted = _fit_final(task, choice)
    progress("calibrating", 0.95)
    state, metrics = _finish(choice, fitted, labels, preset)
    metrics |= {"rows": len(kept), "labels": len(labels), **choice.notes}
    metrics["cpu_s"] = round(time.process_time() - started, 2)
    folder.mkdir(parents=True, exist_ok=True)
    TicketClassifier(state).save(folder)
    save_json(folder / METRICS, metrics)
    progress("done", 1.0)
    return metrics


def _read(
    kept: Sequence[LabelledText],
    foreign: Sequence[str],
    unlabelled: Sequence[str],
    *,
    seed: int,
    threads: int,
) -> tuple[tuple[str, ...], Task]:
    """Category names, and the rows as texts and numbers."""
    labels, numbers = encode([row.label for row in kept])
    known = set(prepare(row.text for row in kept))
    candidates = [*foreign_questions(), *foreign]
    strangers = dict(zip(prepare(candidates), candidates, strict=True))
    return labels, Task(
        own=[row.text for row in kept],
        numbers=numbers,
        foreign=[text for folded, text in strangers.items() if folded not in known],
        unlabelled=_drawn(unlabelled, seed),
        n_labels=len(labels),
        folds=make_folds(kept, numbers, seed=seed),
        seed=seed,
        threads=threads,
    )


def _drawn(texts: Sequence[str], seed: int) -> list[str]:
    """Distinct texts, as many of them as are worth their time."""
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    order = np.random.default_rng(seed).permutation(len(distinct))[:_MOST_UNLABELLED]
    return [distinct[place] for place in sorted(order.tolist())]


def _choose(task: Task, preset: Preset, progress: Progress, budget_s: float) -> Choice:
    if preset == "auto":
        return choose_auto(task, progress, budget_s=budget_s)
    if preset in NETWORKS:
        return choose_single(task, preset, progress)
    return choose_default(task, progress, fast=preset == "fast")


def _fit_final(task: Task, choice: Choice) -> _Fitted:
    own, foreign = np.arange(len(task.own)), np.arange(len(task.foreign))
    texts = read_texts(task.own, task.foreign, own, foreign, task.unlabelled)
    features = _fit_features(choice, [*texts.own, *texts.foreign, *texts.unlabelled])

    def weigh(folded: Sequence[str], known: Ints) -> Rows:
        del known
        return no_rows(len(folded)) if features is None else features.transform(folded)

    problem = task.problem(texts, weigh)
    chosen = problem.training_rows(own, foreign)
    members = tuple(
        learner.fit(problem, chosen, seed=task.seed, threads=task.threads)
        for learner in choice.learners
    )
    return _Fitted(texts.reader, features, members)


def _fit_features(choice: Choice, folded: Sequence[str]) -> Features | None:
    if choice.features == "none":
        return None
    if choice.features == "trigrams":
        return HashedTrigrams.fit(folded)
    return VocabularyFeatures.fit(folded, pairs=choice.pairs)


def _finish(
    choice: Choice, fitted: _Fitted, labels: tuple[str, ...], preset: Preset
) -> tuple[ClassifierState, dict[str, Any]]:
    first = choice.held_out[0]
    scales = choice.scales
    logits = [part.own for part in choice.held_out]
    proba = blend(logits, scales, None)
    right = proba.argmax(axis=1) == first.truth
    isotonic = Isotonic.fit(proba.max(axis=1), right) if len(right) >= ISOTONIC_FROM else None
    calibrated = blend(logits, scales, isotonic)
    top = calibrated.max(axis=1)
    rule, foreign = _foreign_rule(choice.held_out)
    limits = {str(p): threshold_for(top, right, p) for p in _PROMISES}
    thresholds = {promise: limit[0] for promise, limit in limits.items() if limit is not None}
    state = ClassifierState(
        preset, labels, fitted.reader, fitted.features, fitted.members, scales, rule, isotonic,
        thresholds,
    )  # fmt: skip
    figures = {
        "accuracy": accuracy(first.truth, calibrated.argmax(axis=1)),
        "macro_f1": macro_f1(first.truth, calibrated.argmax(axis=1)),
        "top3": top_k_accuracy(first.truth, calibrated, 3),
        "ece": expected_calibration_error(top, right),
        **foreign,
    }
    metrics: dict[str, Any] = {name: round(value, 4) for name, value in figures.items()}
    metrics["judged"] = len(right)
    metrics["coverage"] = {p: round(limit[1], 4) for p, limit in limits.items() if limit}
    metrics |= _pictured(first.truth, calibrated, labels)
    return state, metrics


def _pictured(truth: Ints, proba: Floats, labels: tuple[str, ...]) -> dict[str, Any]:
    """What a panel draws of the held-out rows.

    ``categories``: ``name``, ``rows``, ``called`` and ``right`` of each; ``confusions``: true name,
    predicted name, rows; ``reliability``: mean confidence, share right, rows.
    """
    predicted = proba.argmax(axis=1)
    found = by_category(truth, predicted, len(labels))
    return {
        "categories": [
            {"name": name, **msgspec.structs.asdict(figures)}
            for name, figures in zip(labels, found, strict=True)
        ],
        "confusions": [
            [labels[true], labels[said], rows]
            for true, said, rows in confusions(truth, predicted, _MOST_CONFUSIONS)
        ],
        "reliability": [
            [round(confidence, 4), round(share, 4), rows]
            for confidence, share, rows in reliability(proba.max(axis=1), truth == predicted)
        ],
    }


def _foreign_rule(held_out: Sequence[HeldOut]) -> tuple[ForeignRule, dict[str, float]]:
    logits = [part.own for part in held_out]
    rule = ForeignRule.fit(logits, rejected=_REJECTED)
    own, foreign = rule.score(logits), rule.score([part.foreign for part in held_out])
    scores = np.concatenate([own, foreign])
    positive = np.arange(len(scores)) >= len(own)
    recall = float((foreign > rule.threshold).mean()) if len(foreign) else 0.0
    return rule, {"foreign_auroc": auroc(scores, positive), "foreign_recall": recall}
