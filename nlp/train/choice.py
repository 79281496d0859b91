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
from nlp.train.learners import (
    BagLearner,
    Learner,
    LinearLearner,
    NeighbourLearner,
    PretrainedLearner,
    SequenceLearner,
    hold_out,
)
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

_NET_FROM: Final = 1000  # judged rows; below, networks learn no more than the linear model
_FIRST_FOLD_FROM: Final = 2000  # judged rows from which one fold is enough to judge networks
_NEIGHBOURS_UP_TO: Final = 3000  # rows; above, they add time and size and little else
_PAIRS_FROM: Final = 2000  # judged rows from which word pairs are worth their time
_LEAST_PROBA: Final = 1e-4
_CALIBRATED_BY: Final = 400  # judged rows after which a network alone is trained on no more folds
PRETRAINED: Final = PretrainedLearner(SMALL)
_UNLABELLED_FROM: Final = 500  # texts without a category, below which they teach too little
_FEW_LABELS: Final = 5000  # rows up to which they are asked
_PRETRAINED_FOLDS: Final = 3
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
    foreign: list[str]
    unlabelled: list[str]
    n_labels: int
    folds: list[Fold]
    seed: int
    threads: int

    def read(self) -> list[ReadTexts]:
        """Each fold's reading of the texts."""
        return read_folds(self.own, self.foreign, self.folds, self.unlabelled)

    def problem(self, texts: ReadTexts, weigh: Weigh) -> Problem:
        """The problem of read texts."""
        return build_problem(texts, self.numbers, weigh, n_labels=self.n_labels)

    def trials(self, read: Sequence[ReadTexts], weigh: Weigh) -> list[Trial]:
        """The problem of each fold that was read."""
        return [
            as_trial(self.problem(texts, weigh), texts, fold.held_out)
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
    tried: dict[str, Any] = field(default_factory=dict)
    kept: str = ""

    @property
    def notes(self) -> dict[str, Any]:
        """What the metrics say of the choice."""
        net = any(not isinstance(learner, LinearLearner) for learner in self.learners)
        notes = {"tried": self.tried, "pairs": self.pairs, "net": net}
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
    read = task.read()
    tried: dict[str, float] = {}

    def attempt(name: str, *, pairs: bool) -> Choice:
        progress(f"trying {name}", 0.1 + 0.1 * len(tried))
        trials = task.trials(read, CountedTexts(pairs=pairs).rows)
        held_out = task.hold_out(trials, LinearLearner())
        tried[name] = round(accuracy(held_out.truth, held_out.predicted), 4)
        return Choice(trials, (LinearLearner(),), (held_out,), pairs=pairs)

    choice = attempt("plain", pairs=False)
    judged = len(choice.right)
    if judged >= _PAIRS_FROM and not fast:
        with_pairs = attempt("pairs", pairs=True)
        # Equal on clean texts, pairs still help misspelt ones.
        choice = with_pairs if with_pairs.right.sum() >= choice.right.sum() else choice
    choice = replace(choice, tried=tried)
    if fast:
        return choice
    if len(task.unlabelled) >= _UNLABELLED_FROM and len(task.own) <= _FEW_LABELS:
        progress("learning from texts without a category", 0.2)
        begun = replace(choice, trials=choice.trials[:_PRETRAINED_FOLDS])
        held_out = (task.hold_out(begun.trials, PRETRAINED),)
        begun = replace(begun, learners=(PRETRAINED,), held_out=held_out)
        linear = _on_first_folds(task, choice, _PRETRAINED_FOLDS)
        if better(begun.right, linear.right):
            return replace(
                begun, tried={**tried, "pretrained": round(float(begun.right.mean()), 4)}
            )
    if len(task.own) <= _NEIGHBOURS_UP_TO:
        progress("trying neighbours", 0.3)
        choice = _joined(task, choice, "neighbours", (NeighbourLearner(),))
    if judged >= _NET_FROM:
        progress("trying networks", 0.4)
        nets = (BagLearner(SMALL), SequenceLearner(CNN))
        if judged >= _FIRST_FOLD_FROM:
            choice = _on_first_folds(task, choice, 1)
        choice = _joined(task, choice, "networks", nets)
    return choice


def _on_first_folds(task: Task, choice: Choice, folds: int) -> Choice:
    """The choice judged by its first folds alone, which networks can afford."""
    first = choice.trials[:folds]
    held_out = tuple(task.hold_out(first, learner) for learner in choice.learners)
    return replace(choice, trials=first, held_out=held_out)


def _joined(task: Task, choice: Choice, name: str, learners: tuple[Learner, ...]) -> Choice:
    """More members where the average with them is surely likelier to say what is right."""
    held_out = tuple(task.hold_out(choice.trials, learner) for learner in learners)
    both = replace(choice, learners=choice.learners + learners, held_out=choice.held_out + held_out)
    tried = {
        **choice.tried,
        f"without_{name}": round(float(choice.right.mean()), 4),
        f"with_{name}": round(float(both.right.mean()), 4),
    }
    return replace(both if likelier(both, choice) else choice, tried=tried)


def choose_single(task: Task, preset: str, progress: Progress) -> Choice:
    """One of ``NETWORKS`` alone, judged on as many folds as calibrate it."""
    progress("cross-validation", 0.1)
    judged = np.cumsum([len(fold.held_out) for fold in task.folds])
    used = int(np.searchsorted(judged, _CALIBRATED_BY)) + 1
    read = task.read()[:used]
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


def likelier(new: Choice, old: Choice) -> bool:
    """Whether the held-out truth is likelier by over one standard error of the paired difference.

    A finer measure than ``better`` for members that join others: it sees a surer probability too.
    """
    truth = old.held_out[0].truth
    rows = np.arange(len(truth))
    gain = np.log(np.maximum(new.proba[rows, truth], _LEAST_PROBA)) - np.log(
        np.maximum(old.proba[rows, truth], _LEAST_PROBA)
    )
    return bool(gain.mean() > gain.std() / np.sqrt(len(gain)))
