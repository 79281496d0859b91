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

import numpy as np
from numpy.typing import NDArray

from nlp.artifacts import save_json
from nlp.calibration import ISOTONIC_FROM, Isotonic, fit_scale, threshold_for
from nlp.classifier import ClassifierState, ForeignRule, TicketClassifier, blend
from nlp.features import Features, HashedTrigrams, Rows, VocabularyFeatures, prepare
from nlp.labels import encode
from nlp.layout import LayoutReader
from nlp.metrics import (
    accuracy,
    auroc,
    expected_calibration_error,
    macro_f1,
    top_k_accuracy,
)
from nlp.network import Network
from nlp.train.counted import CountedTexts
from nlp.train.foreign import foreign_questions
from nlp.train.loop import Progress, silent
from nlp.train.nets import SEED, SMALL
from nlp.train.problem import (
    HeldOut,
    Problem,
    ReadTexts,
    Trial,
    Weigh,
    as_trial,
    build_problem,
    fit_linear,
    fit_net,
    hold_out,
    read_folds,
    read_texts,
)
from nlp.train.rows import Fold, LabelledText, TooLittleData, clean_rows, make_folds

__all__ = ["LabelledText", "Preset", "TooLittleData", "fit_classifier"]

Ints = NDArray[np.int64]
Preset = Literal["default", "seed", "fast"]

METRICS: Final = "metrics.json"
_NET_FROM: Final = 1000  # judged rows; below, the linear model is alone
_PROMISES: Final = (0.9, 0.95, 0.98)
_REJECTED: Final = 0.05  # share of own tickets that may look foreign
# Judged rows up to which misspelt copies, and from which word pairs, are worth their time.
_COPIES_UP_TO: Final = 1000
_PAIRS_FROM: Final = 2000


@dataclass(frozen=True, slots=True)
class _Task:
    """What stays the same while variants are tried. Texts are raw."""

    own: list[str]
    numbers: Ints
    short: Ints  # rows worth a misspelt copy: what customers write
    foreign: list[str]
    n_labels: int
    folds: list[Fold]
    seed: int
    threads: int

    def problem(self, texts: ReadTexts, weigh: Weigh, *, copies: bool) -> Problem:
        return build_problem(
            texts, self.numbers, weigh, n_labels=self.n_labels,
            copied=self.short if copies else self.short[:0], seed=self.seed,
        )  # fmt: skip

    def trials(
        self, read: Sequence[ReadTexts], weigh: Weigh, *, copies: bool = False
    ) -> list[Trial]:
        return [
            as_trial(self.problem(texts, weigh, copies=copies), texts, fold.held_out)
            for texts, fold in zip(read, self.folds, strict=False)
        ]


@dataclass(frozen=True, slots=True)
class _Choice:
    """The chosen variant with held-out logits of each of its networks (the same rows)."""

    trials: list[Trial]
    held_out: tuple[HeldOut, ...]
    nets: tuple[bool, ...]  # True: the torch network, False: the linear model
    notes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What the chosen variant became on all rows."""

    reader: LayoutReader
    features: Features
    networks: tuple[Network, ...]


def fit_classifier(
    rows: Sequence[LabelledText],
    folder: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    preset: Preset = "default",
    foreign: Sequence[str] = (),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train on rows and write the model and its metrics into ``folder``.

    Args:
        rows: tickets and knowledge-base questions and answers with their categories.
        folder: created; gets ``classifier.json``, ``classifier.safetensors``, ``metrics.json``.
        seed: same seed and rows, same model (on the same machine with the same threads).
        threads: torch threads.
        preset: ``default``; ``fast`` (linear, few variants); ``seed`` (hashed trigrams, softsign).
        foreign: texts that people marked as not for this desk.
        progress: told stages and their share.

    Returns:
        Cross-validated figures: ``accuracy``, ``macro_f1``, ``top3``, ``ece``, ``foreign_auroc``,
        ``foreign_recall``, sizes, what was tried and chosen, ``cpu_s``.

    Raises:
        TooLittleData: fewer than two categories or 10 rows.
    """
    started = time.process_time()
    kept = clean_rows(rows)
    progress("reading", 0.0)
    labels, task = _read(kept, foreign, seed=seed, threads=threads)
    choice = _choose_seed(task, progress) if preset == "seed" else _choose(task, preset, progress)
    progress("training", 0.6)
    fitted = _fit_final(task, choice, preset)
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
    kept: Sequence[LabelledText], foreign: Sequence[str], *, seed: int, threads: int
) -> tuple[tuple[str, ...], _Task]:
    """Category names, and the rows as texts and numbers."""
    labels, numbers = encode([row.label for row in kept])
    known = set(prepare(row.text for row in kept))
    candidates = [*foreign_questions(), *foreign]
    strangers = dict(zip(prepare(candidates), candidates, strict=True))
    return labels, _Task(
        own=[row.text for row in kept],
        numbers=numbers,
        short=np.flatnonzero([row.origin != "answer" for row in kept]),
        foreign=[text for folded, text in strangers.items() if folded not in known],
        n_labels=len(labels),
        folds=make_folds(kept, numbers, seed=seed),
        seed=seed,
        threads=threads,
    )


def _choose(task: _Task, preset: Preset, progress: Progress) -> _Choice:
    read = read_folds(task.own, task.foreign, task.folds)
    counted = CountedTexts(pairs=False)
    tried: dict[str, float] = {}

    def attempt(name: str, weigh: Weigh, *, copies: bool) -> tuple[list[Trial], HeldOut]:
        progress(f"trying {name}", 0.1 + 0.1 * len(tried))
        trials = task.trials(read, weigh, copies=copies)
        held_out = hold_out(trials, None, seed=task.seed)
        tried[name] = round(accuracy(held_out.truth, held_out.predicted), 4)
        return trials, held_out

    best = attempt("plain", counted.rows, copies=False)
    notes = {"tried": tried, "pairs": False, "copies": False, "net": False}
    if preset == "fast":
        return _Choice(best[0], (best[1],), (False,), notes)
    judged = len(best[1].truth)
    if judged <= _COPIES_UP_TO:
        with_copies = attempt("copies", counted.rows, copies=True)
        if _better(with_copies[1].right, best[1].right):
            best, notes["copies"] = with_copies, True
    if judged >= _PAIRS_FROM:
        with_pairs = attempt("pairs", CountedTexts(pairs=True).rows, copies=False)
        if _better(with_pairs[1].right, best[1].right):
            best, notes["pairs"] = with_pairs, True
    choice = _Choice(best[0], (best[1],), (False,), notes)
    return _try_net(task, choice, progress) if judged >= _NET_FROM else choice


def _try_net(task: _Task, choice: _Choice, progress: Progress) -> _Choice:
    """Add the network where its average with the linear model is surely better on one fold."""
    progress("trying network", 0.4)
    first = choice.trials[:1]
    net = hold_out(first, SMALL, seed=task.seed, threads=task.threads)
    linear = hold_out(first, None, seed=task.seed)
    both = blend([linear.own, net.own], _scales((linear, net)), None)
    right = both.argmax(axis=1) == linear.truth
    tried = {
        **choice.notes["tried"],
        "network_fold": round(accuracy(net.truth, net.predicted), 4),
        "linear_fold": round(accuracy(linear.truth, linear.predicted), 4),
        "both_fold": round(float(right.mean()), 4),
    }
    notes = {**choice.notes, "tried": tried}
    if not _better(right, linear.right):
        return _Choice(choice.trials, choice.held_out, choice.nets, notes)
    notes["net"] = True
    return _Choice(choice.trials, (linear, net), (False, True), notes)


def _choose_seed(task: _Task, progress: Progress) -> _Choice:
    progress("cross-validation", 0.1)
    trials = task.trials(read_folds(task.own, task.foreign, task.folds[:1]), _weigh_hashed)
    held_out = hold_out(trials, SEED, seed=task.seed, threads=task.threads)
    tried = {"seed_fold": round(accuracy(held_out.truth, held_out.predicted), 4)}
    notes = {"tried": tried, "pairs": False, "copies": False, "net": True}
    return _Choice(trials, (held_out,), (True,), notes)


def _weigh_hashed(texts: Sequence[str], known: Ints) -> Rows:
    return HashedTrigrams.fit([texts[place] for place in known.tolist()]).transform(texts)


def _fit_final(task: _Task, choice: _Choice, preset: Preset) -> _Fitted:
    own, foreign = np.arange(len(task.own)), np.arange(len(task.foreign))
    texts = read_texts(task.own, task.foreign, own, foreign)
    everything = [*texts.own, *texts.foreign]
    features: Features = (
        HashedTrigrams.fit(everything)
        if preset == "seed"
        else VocabularyFeatures.fit(everything, pairs=choice.notes["pairs"])
    )
    problem = task.problem(
        texts, lambda folded, _: features.transform(folded), copies=choice.notes["copies"]
    )
    chosen = problem.training_rows(own, foreign)
    recipe = SEED if preset == "seed" else SMALL
    networks = tuple(
        fit_net(problem, chosen, recipe, seed=task.seed, threads=task.threads)
        if net
        else fit_linear(problem, chosen, seed=task.seed)
        for net in choice.nets
    )
    return _Fitted(texts.reader, features, networks)


def _finish(
    choice: _Choice, fitted: _Fitted, labels: tuple[str, ...], preset: Preset
) -> tuple[ClassifierState, dict[str, Any]]:
    first = choice.held_out[0]
    scales = _scales(choice.held_out)
    logits = [part.own for part in choice.held_out]
    proba = blend(logits, scales, None)
    right = proba.argmax(axis=1) == first.truth
    isotonic = Isotonic.fit(proba.max(axis=1), right) if len(right) >= ISOTONIC_FROM else None
    calibrated = blend(logits, scales, isotonic)
    top = calibrated.max(axis=1)
    rule, foreign = _foreign_rule(first)
    limits = {str(p): threshold_for(top, right, p) for p in _PROMISES}
    thresholds = {promise: limit[0] for promise, limit in limits.items() if limit is not None}
    state = ClassifierState(
        preset, labels, fitted.reader, fitted.features, fitted.networks, scales, rule, isotonic,
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
    return state, metrics


def _foreign_rule(held_out: HeldOut) -> tuple[ForeignRule, dict[str, float]]:
    best = held_out.own[:, :-1].max(axis=1)
    lead = best - held_out.own[:, -1]
    centre = float(best.mean()), float(lead.mean())
    spread = float(best.std()) or 1.0, float(lead.std()) or 1.0
    own = ForeignRule(centre, spread, 0.0).score(held_out.own)
    rule = ForeignRule(centre, spread, float(np.quantile(own, 1 - _REJECTED)))
    foreign = rule.score(held_out.foreign)
    scores = np.concatenate([own, foreign])
    positive = np.arange(len(scores)) >= len(own)
    recall = float((foreign > rule.threshold).mean()) if len(foreign) else 0.0
    return rule, {"foreign_auroc": auroc(scores, positive), "foreign_recall": recall}


def _scales(held_out: Sequence[HeldOut]) -> tuple[float, ...]:
    return tuple(fit_scale(part.own[:, :-1], part.truth) for part in held_out)


def _better(new: NDArray[np.bool_], old: NDArray[np.bool_]) -> bool:
    """Whether more rows are right by over one standard error of the paired difference."""
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    return gained - lost > float(np.sqrt(gained + lost))
