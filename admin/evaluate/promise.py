"""Whether a promised precision is kept on tickets that nobody saw, over many random splits.

Each split trains as the server does, thresholds from the training rows' own folds, and judges the
tickets that were left out. Precision is pooled over all that were accepted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from admin.evaluate.judging import rounded
from admin.importers.rows import KnowledgeRow, TicketRow
from bot.settings import Preset
from nlp.calibration import clopper_pearson_lower
from nlp.classifier import TicketClassifier
from nlp.labels import encode, stratified_folds
from nlp.train.classifier import fit_classifier
from nlp.train.rows import LabelledText

Tell = Callable[[str], None]

_LEFT_OUT: Final = 5  # one part of so many judges
_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Split:
    """What one split gave: judged tickets, the accepted among them, and the right ones of these."""

    judged: int
    accepted: int
    right: int
    all_right: int
    threshold: float | None

    @property
    def shares(self) -> dict[str, float | None]:
        """For the report."""
        return {
            "precision": self.right / self.accepted if self.accepted else None,
            "coverage": self.accepted / self.judged,
            "threshold": self.threshold,
        }


def evaluate(
    tickets: Sequence[TicketRow],
    *,
    knowledge: Sequence[KnowledgeRow],
    splits: int,
    precision: float,
    preset: Preset,
    tell: Tell,
) -> dict[str, Any]:
    """The report: ``data``, ``preset``, ``promise``, ``ours``, ``splits``.

    ``ours``: pooled ``precision`` with its one-sided lower limit of 95 % ``precision_low``,
    ``coverage``, ``accuracy`` of all, ``without_threshold``: splits in which nothing supports the
    promise, so that nothing is accepted.

    Args:
        tickets: with a category.
        knowledge: questions and answers that are trained on in every split.
        splits: how many.
        precision: the promise, one that classifiers keep a threshold for: .9, .95 or .98.
        preset: of the trainings.
        tell: told what is done.
    """
    fixed = _knowledge_rows(knowledge)
    rows = [LabelledText(row.text, row.category) for row in tickets if row.category]
    _, numbers = encode([row.label for row in rows])
    found: list[Split] = []
    began = time.process_time()
    for seed in range(splits):
        tell(f"split {seed + 1} of {splits}")
        out = (stratified_folds(numbers, _LEFT_OUT, seed=seed) == 0).tolist()
        train = [row for row, own in zip(rows, out, strict=True) if not own]
        test = [row for row, own in zip(rows, out, strict=True) if own]
        found.append(_split([*train, *fixed], test, precision, preset, seed))
    return {
        "data": {
            "tickets": len(rows),
            "judged": sum(one.judged for one in found),
            "splits": splits,
        },
        "preset": preset,
        "promise": precision,
        "ours": rounded(_pooled(found) | {"cpu_s": time.process_time() - began}),
        "splits": [rounded(one.shares) for one in found],
    }


def _knowledge_rows(knowledge: Sequence[KnowledgeRow]) -> list[LabelledText]:
    known = [row for row in knowledge if row.category]
    rows = [LabelledText(row.question, row.category, "question") for row in known]
    return rows + [LabelledText(row.answer, row.category, "answer") for row in known]


def _pooled(found: Sequence[Split]) -> dict[str, Any]:
    accepted, right = sum(one.accepted for one in found), sum(one.right for one in found)
    judged = sum(one.judged for one in found)
    return {
        "precision": right / accepted if accepted else None,
        "precision_low": clopper_pearson_lower(right, accepted, 0.95),
        "coverage": accepted / judged,
        "accuracy": sum(one.all_right for one in found) / judged,
        "without_threshold": sum(one.threshold is None for one in found),
    }


def _split(
    train: Sequence[LabelledText],
    test: Sequence[LabelledText],
    precision: float,
    preset: Preset,
    seed: int,
) -> Split:
    with tempfile.TemporaryDirectory(prefix="neurobot-promise-") as name:
        fit_classifier(train, Path(name), seed=seed, preset=preset)
        classifier = TicketClassifier.load(Path(name))
    texts = [row.text for row in test]
    proba = np.concatenate([
        classifier.predict_proba(texts[start : start + _AT_ONCE])
        for start in range(0, len(texts), _AT_ONCE)
    ])  # fmt: skip
    labels = np.asarray(classifier.labels)
    right = labels[proba.argmax(axis=1)] == np.asarray([row.label for row in test])
    threshold = classifier.thresholds.get(str(precision))
    accepted = proba.max(axis=1) >= (threshold if threshold is not None else np.inf)
    return Split(
        len(test), int(accepted.sum()), int(right[accepted].sum()), int(right.sum()), threshold
    )
