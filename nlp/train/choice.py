"""Chooses what a classifier is made of by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from nlp.calibration import fit_scale
from nlp.classifier import blend
from nlp.features import HashedTrigrams, Rows, no_rows
from nlp.metrics import accuracy
from nlp.train.counted import CountedTexts
from nlp.train.learners import BagLearner, Learner, LinearLearner, SequenceLearner, hold_out
from nlp.train.loop import Progress
from nlp.train.nets import SEED, SMALL
from nlp.train.problem import (
    HeldOut,
    Problem,
    ReadTexts,
    Trial,
    Weigh,
    as_trial,
    build_problem,
    read_folds,
)
from nlp.train.rows import Fold
from nlp.train.sequence import CNN, RNN

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
FeatureKind = Literal["vocabulary", "trigrams", "none"]

_NET_FROM: Final = 1000  # judged rows; below, the linear model is alone
# Judged rows up to which misspelt copies, and from which word pairs, are worth their time.
_COPIES_UP_TO: Final = 1000
_PAIRS_FROM: Final = 2000
_CALIBRATED_BY: Final = 400  # judged rows after which a network alone is trained on no more folds
# Networks that may be a classifier alone, and what they read.
NETWORKS: Final[Mapping[str, tuple[Learner, FeatureKind]]] = MappingProxyType(
    {
        "ff": (BagLearner(SMALL), "vocabulary"),
        "seed": (BagLearner(SEED), "trigrams"),
        "cnn": (SequenceLearner(CNN), "none"),
        "rnn": (SequenceLearner(RNN), "none"),
    }
)


@dataclass(frozen=True, slots=True)
class Task:
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
        """The problem of read texts, with or without misspelt copies."""
        return build_problem(
            texts, self.numbers, weigh, n_labels=self.n_labels,
            copied=self.short if copies else self.short[:0], seed=self.seed,
        )  # fmt: skip

    def trials(
        self, read: Sequence[ReadTexts], weigh: Weigh, *, copies: bool = False
    ) -> list[Trial]:
        """The problem of each fold that was read."""
        return [
            as_trial(self.problem(texts, weigh, copies=copies), texts, fold.held_out)
            for texts, fold in zip(read, self.folds, strict=False)
        ]

    def hold_out(self, trials: Sequence[Trial], learner: Learner) -> HeldOut:
        """Logits of what the folds hold out."""
        return hold_out(trials, learner, seed=self.seed, threads=self.threads)


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen variant.

    Attributes:
        trials: the folds that judged it.
        learners: of its members.
        held_out: logits of each member for the same rows.
        features: what rows are made of; ``none`` where no member reads rows.
        tried: what it was chosen from, for the metrics.
        kept: name of the candidate that it is, where several kinds were compared.
    """

    trials: list[Trial]
    learners: tuple[Learner, ...]
    held_out: tuple[HeldOut, ...]
    features: FeatureKind = "vocabulary"
    pairs: bool = False
    copies: bool = False
    tried: dict[str, Any] = field(default_factory=dict)
    kept: str = ""

    @property
    def notes(self) -> dict[str, Any]:
        """What the metrics say of the choice."""
        net = any(not isinstance(learner, LinearLearner) for learner in self.learners)
        notes = {"tried": self.tried, "pairs": self.pairs, "copies": self.copies, "net": net}
        return notes | {"kept": self.kept} if self.kept else notes

    @property
    def scales(self) -> tuple[float, ...]:
        """Factor on each member's logits that gives the held-out truth the highest likelihood."""
        return tuple(fit_scale(part.own[:, :-1], part.truth) for part in self.held_out)

    @property
    def proba(self) -> NDArray[np.float32]:
        """Averaged probabilities of the held-out rows, without isotonic steps."""
        return blend([part.own for part in self.held_out], self.scales, None)

    @property
    def right(self) -> Bools:
        """Whether the best category of each held-out row is the true one."""
        return np.asarray(self.proba.argmax(axis=1) == self.held_out[0].truth, np.bool_)


def choose_default(task: Task, progress: Progress, *, fast: bool) -> Choice:
    """The linear model, with what it surely gains by; ``fast`` tries nothing."""
    read = read_folds(task.own, task.foreign, task.folds)
    counted = CountedTexts(pairs=False)
    linear = LinearLearner()
    tried: dict[str, float] = {}

    def attempt(name: str, weigh: Weigh, *, copies: bool) -> tuple[list[Trial], HeldOut]:
        progress(f"trying {name}", 0.1 + 0.1 * len(tried))
        trials = task.trials(read, weigh, copies=copies)
        held_out = task.hold_out(trials, linear)
        tried[name] = round(accuracy(held_out.truth, held_out.predicted), 4)
        return trials, held_out

    best = attempt("plain", counted.rows, copies=False)
    judged = len(best[1].truth)
    pairs = copies = False
    if judged <= _COPIES_UP_TO and not fast:
        with_copies = attempt("copies", counted.rows, copies=True)
        if better(with_copies[1].right, best[1].right):
            best, copies = with_copies, True
    if judged >= _PAIRS_FROM and not fast:
        with_pairs = attempt("pairs", CountedTexts(pairs=True).rows, copies=False)
        if better(with_pairs[1].right, best[1].right):
            best, pairs = with_pairs, True
    choice = Choice(best[0], (linear,), (best[1],), pairs=pairs, copies=copies, tried=tried)
    return _try_net(task, choice, progress) if judged >= _NET_FROM and not fast else choice


def _try_net(task: Task, choice: Choice, progress: Progress) -> Choice:
    """Add the network where its average with the linear model is surely better on one fold."""
    progress("trying network", 0.4)
    first = choice.trials[:1]
    learners = (LinearLearner(), BagLearner(SMALL))
    net = task.hold_out(first, learners[1])
    linear = task.hold_out(first, learners[0])
    both = replace(choice, trials=first, learners=learners, held_out=(linear, net))
    tried = {
        **choice.tried,
        "network_fold": round(accuracy(net.truth, net.predicted), 4),
        "linear_fold": round(accuracy(linear.truth, linear.predicted), 4),
        "both_fold": round(float(both.right.mean()), 4),
    }
    return replace(both if better(both.right, linear.right) else choice, tried=tried)


def choose_single(task: Task, preset: str, progress: Progress) -> Choice:
    """One of ``NETWORKS`` alone, judged on as many folds as calibrate it."""
    progress("cross-validation", 0.1)
    judged = np.cumsum([len(fold.held_out) for fold in task.folds])
    used = int(np.searchsorted(judged, _CALIBRATED_BY)) + 1
    read = read_folds(task.own, task.foreign, task.folds)[:used]
    learner, features = NETWORKS[preset]
    weigh: dict[FeatureKind, Weigh] = {
        "vocabulary": CountedTexts(pairs=False).rows,
        "trigrams": weigh_hashed,
        "none": _weigh_nothing,
    }
    trials = task.trials(read, weigh[features])
    held_out = task.hold_out(trials, learner)
    tried = {preset: round(accuracy(held_out.truth, held_out.predicted), 4)}
    return Choice(trials, (learner,), (held_out,), features, tried=tried)


def weigh_hashed(texts: Sequence[str], known: Ints) -> Rows:
    """Rows of the seed's network: hashed trigrams weighed by the known texts."""
    return HashedTrigrams.fit([texts[place] for place in known.tolist()]).transform(texts)


def _weigh_nothing(texts: Sequence[str], known: Ints) -> Rows:
    del known
    return no_rows(len(texts))


def better(new: Bools, old: Bools) -> bool:
    """Whether more rows are right by over one standard error of the paired difference."""
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    return gained - lost > float(np.sqrt(gained + lost))
