"""The ticket classifier on files of one's own, beside what one would take instead.

Each training is judged on rows it has not seen. Thresholds come from folds of the training rows
(or from a file given for that), never from the rows that are judged.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.judging import (
    CHOSEN,
    acceptance,
    calibration_figures,
    latency,
    median_of,
    recall_at_rejected,
    rounded,
)
from admin.evaluate.peers import PEERS, fit_peer
from admin.evaluate.perturbations import perturb
from admin.importers.rows import KnowledgeRow, TicketRow
from bot.settings import Preset
from nlp.calibration import threshold_for
from nlp.classifier import TicketClassifier
from nlp.labels import encode, stratified_folds
from nlp.metrics import accuracy, auroc, macro_f1
from nlp.train.classifier import fit_classifier
from nlp.train.loop import use_threads
from nlp.train.rows import LabelledText, clean_rows, make_folds

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Tell = Callable[[str], None]

_PROMISES: Final = (0.9, 0.95, 0.98)
_TIMED: Final = 300  # messages, one by one
_WARM_UP: Final = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What is trained on and judged.

    Attributes:
        train: tickets.
        test: tickets that judge; empty where ``folds`` of ``train`` judge.
        valid: tickets from which thresholds come, in place of folds of the training rows.
        oos: texts of no category.
        knowledge: questions and answers that are trained on with their category.
        unlabelled: tickets without a category that are learned from.
        variants: names of perturbations under which the test texts are judged again.
        without_text: lines that were passed over.
    """

    train: Sequence[TicketRow]
    test: Sequence[TicketRow] = ()
    valid: Sequence[TicketRow] = ()
    oos: Sequence[str] = ()
    knowledge: Sequence[KnowledgeRow] = ()
    unlabelled: Sequence[str] = ()
    preset: Preset = "default"
    seeds: int = 1
    folds: int = 0
    variants: Sequence[str] = ()
    without_text: int = 0


class Model(Protocol):
    """What can be judged: ours or a peer."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the categories."""

    @property
    def cpu_s(self) -> float:
        """Seconds that its training took."""

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Shapes: n texts -> (n, n_labels)."""

    def foreign_score(self, texts: Sequence[str]) -> Floats:
        """Larger is less ours. Shapes: n texts -> (n,)."""

    def call(self, text: str) -> None:
        """One message, as a server would ask."""


@dataclass(frozen=True, slots=True)
class Ours:
    """The product's classifier, read back from its folder."""

    classifier: TicketClassifier
    cpu_s: float
    size_bytes: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the categories."""
        return self.classifier.labels

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Shapes: n texts -> (n, n_labels)."""
        return self.classifier.predict_proba(texts)

    def foreign_score(self, texts: Sequence[str]) -> Floats:
        """Larger is less ours. Shapes: n texts -> (n,)."""
        return self.classifier.foreign_score(texts)

    def call(self, text: str) -> None:
        """One message, as the server asks."""
        self.classifier.classify([text])


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions of one model for rows it was not trained on."""

    truth: list[str]
    predicted: list[str]
    among_three: Bools
    confidence: Floats
    accepted: dict[str, Bools]
    own_scores: Floats
    oos_scores: Floats
    times_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and the confidence from which it keeps each promised precision.

    ``chosen`` is what ``auto`` kept and what it tried.
    """

    model: Model
    thresholds: dict[str, float]
    chosen: dict[str, Any] = field(default_factory=dict)


def evaluate(plan: Plan, tell: Tell) -> dict[str, Any]:
    """The report: ``data``, ``preset``, ``ours``, ``peers``, ``seeds``.

    Raises:
        ValueError: there is too little to train on; the text says what is missing.
    """
    use_threads(1)
    splits = _splits(plan)
    seeds = []
    for seed in range(plan.seeds):
        tell(f"training, seed {seed}")
        ours = [_ours(plan, train, seed, tell) for train, _ in splits]
        seeds.append(_figures(plan, ours, [test for _, test in splits]) | ours[0].chosen)
    peers = {}
    for name in PEERS:
        tell(f"training {name}")
        fitted = [_peer(plan, name, train) for train, _ in splits]
        peers[name] = rounded(_figures(plan, fitted, [test for _, test in splits]))
    judged = sum(len(test) for _, test in splits)
    return {
        "data": {
            "train": len(plan.train),
            "judged": judged,
            "categories": len({row.category for row in plan.train}),
            "knowledge_rows": len(plan.knowledge),
            "unlabelled": len(plan.unlabelled),
            "oos": len(plan.oos),
            "folds": plan.folds,
            "without_text": plan.without_text,
        },
        "preset": plan.preset,
        "ours": median_of(seeds),
        "peers": peers,
        "seeds": [{"seed": seed, **rounded(found)} for seed, found in enumerate(seeds)],
    }


def _splits(plan: Plan) -> list[tuple[list[TicketRow], list[TicketRow]]]:
    """Training and judged tickets of each training."""
    if not plan.folds:
        return [(list(plan.train), list(plan.test))]
    _, numbers = encode([row.category for row in plan.train])
    fold = stratified_folds(numbers, plan.folds, seed=0)
    # Equal texts must not be trained on and judged: they go where the first of them went.
    first: dict[str, int] = {}
    places = [
        first.setdefault(row.text.casefold(), own)
        for row, own in zip(plan.train, fold.tolist(), strict=True)
    ]
    return [
        (
            [row for row, place in zip(plan.train, places, strict=True) if place != held],
            [row for row, place in zip(plan.train, places, strict=True) if place == held],
        )
        for held in range(plan.folds)
    ]


def _labelled(plan: Plan, train: Sequence[TicketRow]) -> list[LabelledText]:
    rows = [LabelledText(row.text, row.category) for row in train]
    rows += [LabelledText(row.operator_answer, row.category, "answer") for row in train]
    for row in plan.knowledge:
        rows.append(LabelledText(row.question, row.category, "question"))
        rows.append(LabelledText(row.answer, row.category, "answer"))
    return clean_rows(rows)


def _ours(plan: Plan, train: Sequence[TicketRow], seed: int, tell: Tell) -> Trained:
    rows = _labelled(plan, train)
    with tempfile.TemporaryDirectory(prefix="neurobot-evaluate-") as name:
        folder = Path(name) / "classifier"
        began = time.process_time()
        metrics = fit_classifier(
            rows, folder, seed=seed, preset=plan.preset, unlabelled=plan.unlabelled,
            progress=lambda stage, _: tell(stage),
        )  # fmt: skip
        spent = time.process_time() - began
        # What was measured about the model is not needed to serve it.
        served = [path for path in folder.iterdir() if path.name != "metrics.json"]
        size = sum(path.stat().st_size for path in served)
        classifier = TicketClassifier.load(folder)
    trained = _trained(plan, Ours(classifier, spent, size), dict(classifier.thresholds))
    if "kept" not in metrics:
        return trained
    return replace(trained, chosen={key: metrics[key] for key in CHOSEN})


def _peer(plan: Plan, name: str, train: Sequence[TicketRow]) -> Trained:
    rows = _labelled(plan, train)
    labels, numbers = encode([row.label for row in rows])
    folds = [(fold.train, fold.held_out) for fold in make_folds(rows, numbers, seed=0)]
    peer = fit_peer(
        name, [row.text for row in rows], numbers, labels, folds=folds, promises=_PROMISES
    )
    return _trained(plan, peer, dict(peer.thresholds))


def _trained(plan: Plan, model: Model, thresholds: dict[str, float]) -> Trained:
    if not plan.valid:
        return Trained(model, thresholds)
    proba = model.predict_proba([row.text for row in plan.valid])
    truth = np.asarray([row.category for row in plan.valid])
    right = np.asarray(model.labels)[proba.argmax(axis=1)] == truth
    limits = {str(p): threshold_for(proba.max(axis=1), right, p) for p in _PROMISES}
    return Trained(model, {key: limit[0] for key, limit in limits.items() if limit is not None})


def _figures(
    plan: Plan, trained: Sequence[Trained], tests: Sequence[Sequence[TicketRow]]
) -> dict[str, Any]:
    """All figures of one model, trained once or once a fold."""
    pairs = list(zip(trained, tests, strict=True))
    found = _pooled([_judge(one, test, [row.text for row in test], plan.oos)
                     for one, test in pairs])  # fmt: skip
    found["train_cpu_s"] = float(np.mean([one.model.cpu_s for one in trained]))
    found["model_bytes"] = max(one.model.size_bytes for one in trained)
    if plan.variants:
        found["perturbed"] = _perturbed(plan, pairs, found)
    return found


def _perturbed(
    plan: Plan, pairs: Sequence[tuple[Trained, Sequence[TicketRow]]], clean: dict[str, Any]
) -> dict[str, Any]:
    """The same figures over all variants of the test texts, and accuracy of each variant."""
    everything: list[Judged] = []
    accuracies: dict[str, float] = {}
    for variant in plan.variants:
        oos = perturb(plan.oos, variant, seed=1)
        judged = [
            _judge(one, test, perturb([row.text for row in test], variant), oos)
            for one, test in pairs
        ]
        accuracies[variant] = _pooled(judged)["accuracy"]
        everything += judged
    found = _pooled(everything)
    found |= {key: clean[key] for key in ("train_cpu_s", "model_bytes")}
    found["accuracy_by_variant"] = accuracies
    readers = [(one.model, test) for one, test in pairs if isinstance(one.model, Ours)]
    if "layout" in plan.variants and readers:
        found["clean_misread"] = _misread(readers)
    return found


def _misread(readers: Sequence[tuple[Ours, Sequence[TicketRow]]]) -> float:
    """Share of unchanged messages that are read in the other keyboard layout."""
    wrong = total = 0
    for ours, test in readers:
        texts = [row.text for row in test]
        read = ours.classifier.classify(texts)
        wrong += sum(one.text != text for one, text in zip(read, texts, strict=True))
        total += len(texts)
    return wrong / max(total, 1)


def _judge(
    trained: Trained, test: Sequence[TicketRow], texts: Sequence[str], oos: Sequence[str]
) -> Judged:
    model = trained.model
    proba = model.predict_proba(texts)
    labels = np.asarray(model.labels)
    confidence = proba.max(axis=1)
    number = {label: i for i, label in enumerate(model.labels)}
    truth = np.asarray([number.get(row.category, -1) for row in test], np.int64)
    best = np.argsort(-proba, axis=1, kind="stable")[:, :3]
    return Judged(
        truth=[row.category for row in test],
        predicted=labels[best[:, 0]].tolist(),
        among_three=np.asarray((best == truth[:, None]).any(axis=1)),
        confidence=confidence,
        accepted={
            str(promise): confidence >= trained.thresholds.get(str(promise), np.inf)
            for promise in _PROMISES
        },
        own_scores=model.foreign_score(texts) if oos else np.zeros(0, np.float32),
        oos_scores=model.foreign_score(oos) if oos else np.zeros(0, np.float32),
        times_ms=_times(model, texts),
    )


def _times(model: Model, texts: Sequence[str]) -> list[float]:
    """Milliseconds of single messages, tokenisation included."""
    times = []
    for place, text in enumerate([*texts[:_WARM_UP], *texts[:_TIMED]]):
        began = time.perf_counter()
        model.call(text)
        if place >= min(_WARM_UP, len(texts)):
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _pooled(parts: Sequence[Judged]) -> dict[str, Any]:
    """Figures over the predictions of all folds; foreign scores are compared within a fold."""
    names = [name for part in parts for name in (*part.truth, *part.predicted)]
    _, numbers = encode(names)
    truth_of, predicted_of, start = [], [], 0
    for part in parts:
        n = len(part.truth)
        truth_of.append(numbers[start : start + n])
        predicted_of.append(numbers[start + n : start + 2 * n])
        start += 2 * n
    truth, predicted = np.concatenate(truth_of), np.concatenate(predicted_of)
    right = truth == predicted
    found: dict[str, Any] = {
        "accuracy": accuracy(truth, predicted),
        "macro_f1": macro_f1(truth, predicted),
        "top3": float(np.concatenate([part.among_three for part in parts]).mean()),
        **calibration_figures(np.concatenate([part.confidence for part in parts]), right),
    }
    for promise in _PROMISES:
        accepted = np.concatenate([part.accepted[str(promise)] for part in parts])
        name = f"{promise * 100:.0f}"
        found[f"coverage_at_{name}"], found[f"precision_at_{name}"] = acceptance(accepted, right)
    found |= _out_of_scope(parts)
    found["latency_ms"] = latency([ms for part in parts for ms in part.times_ms])
    return found


def _out_of_scope(parts: Sequence[Judged]) -> dict[str, float | None]:
    known = [part for part in parts if len(part.oos_scores)]
    if not known:
        return {"oos_auroc": None, "oos_recall_at_5": None}
    areas, recalls = [], []
    for part in known:
        scores = np.concatenate([part.own_scores, part.oos_scores])
        areas.append(auroc(scores, np.arange(len(scores)) >= len(part.own_scores)))
        recalls.append(recall_at_rejected(part.own_scores, part.oos_scores) or 0.0)
    return {"oos_auroc": float(np.mean(areas)), "oos_recall_at_5": float(np.mean(recalls))}
