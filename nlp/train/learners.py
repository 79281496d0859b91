"""What a classifier's members may be, each trained on chosen rows of a problem or on its folds."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from nlp.calibration import softmax
from nlp.classifier import Member
from nlp.gathering import Table
from nlp.neighbours import Neighbours
from nlp.network import Network
from nlp.train.nets import NetRecipe, fit_network, take
from nlp.train.pretraining import pretrain
from nlp.train.problem import HeldOut, Problem, Trial
from nlp.train.sequence import SequenceRecipe, fit_sequence

Ints = NDArray[np.int64]

# Logit of a category that had no row to train on.
_UNSEEN: Final = -2.0
_FEW_ROWS: Final = 2000  # below, each row may pull twice as much
_SHARPNESS: Final = np.float32(4.0)  # of margins as logits
_TAUGHT: Final = 0.6  # share of the texts without a category that are believed


class Learner(Protocol):
    """Trains one kind of member."""

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Member:
        """A member that has learned the chosen rows."""


@dataclass(frozen=True, slots=True)
class LinearLearner:
    """One-against-rest linear support vectors with squared hinge.

    Rows of rare categories weigh more, so that all categories weigh the same.

    Source: Fan et al., LIBLINEAR, JMLR 2008.
    """

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Network:
        """Without hidden layers."""
        del threads
        part = take(problem.rows, chosen)
        matrix = csr_matrix((part.values, part.indices, part.indptr), shape=(len(part), part.width))
        pull = 1.0 if problem.n_own < _FEW_ROWS else 0.5
        model = LinearSVC(C=pull, class_weight="balanced", random_state=seed)
        model.fit(matrix, problem.target[chosen])
        table = np.zeros((part.width, problem.n_labels + 1), np.float32)
        bias = np.full(problem.n_labels + 1, _UNSEEN, np.float32)
        if len(model.classes_) == 2:
            first, second = model.classes_
            table[:, second], bias[second] = model.coef_[0], model.intercept_[0]
            table[:, first], bias[first] = -model.coef_[0], -model.intercept_[0]
        else:
            table[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
        return Network(Table(table), bias)


@dataclass(frozen=True, slots=True)
class NeighbourLearner:
    """The rows themselves."""

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Neighbours:
        """All of them."""
        del seed, threads
        rows, target = take(problem.rows, chosen), problem.target[chosen]
        return Neighbours.fit(rows, target, problem.n_labels + 1)


@dataclass(frozen=True, slots=True)
class BagLearner:
    """The torch network over weighted rows."""

    recipe: NetRecipe

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Network:
        """Of the recipe's shape."""
        rows, target = take(problem.rows, chosen), problem.target[chosen]
        outputs = problem.n_labels + 1
        return fit_network(rows, target, outputs, self.recipe, seed=seed, threads=threads)


@dataclass(frozen=True, slots=True)
class PretrainedLearner:
    """The torch network begun on texts without a category, which then teach what they seem to be.

    Source: self-training, Scudder, Probability of error of some adaptive pattern-recognition
    machines, 1965, where two kinds of models must agree.
    """

    recipe: NetRecipe

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Network:
        """Of the recipe's shape."""
        outputs, unlabelled = problem.n_labels + 1, problem.unlabelled
        everything = take(problem.rows, np.concatenate([chosen, unlabelled]))
        start = pretrain(everything, self.recipe.hidden[0], seed=seed, threads=threads)

        def fitted(rows: Ints, target: Ints) -> Network:
            part = take(problem.rows, rows)
            return fit_network(
                part, target, outputs, self.recipe, seed=seed, threads=threads, start=start
            )

        target = problem.target[chosen]
        linear = LinearLearner().fit(problem, chosen, seed=seed)
        proba = softmax(_SHARPNESS * problem.logits(linear, unlabelled))
        proba += softmax(problem.logits(fitted(chosen, target), unlabelled))
        sure = proba.max(axis=1)
        surest = sure >= np.quantile(sure, 1 - _TAUGHT)
        rows = np.concatenate([chosen, unlabelled[surest]])
        return fitted(rows, np.concatenate([target, proba.argmax(axis=1)[surest]]))


@dataclass(frozen=True, slots=True)
class SequenceLearner:
    """The torch network over words in their order; reads the texts, not the rows."""

    recipe: SequenceRecipe

    def fit(self, problem: Problem, chosen: Ints, *, seed: int, threads: int = 1) -> Member:
        """Of the recipe's shape."""
        texts = [problem.texts[row] for row in chosen.tolist()]
        target, outputs = problem.target[chosen], problem.n_labels + 1
        return fit_sequence(texts, target, outputs, self.recipe, seed=seed, threads=threads)


class OutOfTime(Exception):
    """A candidate could not be judged within the time it was given."""


def hold_out(
    trials: Sequence[Trial],
    learner: Learner,
    *,
    seed: int,
    threads: int = 1,
    deadline_s: float = math.inf,
) -> HeldOut:
    """Train on each fold and keep the logits of what it held out.

    Raises:
        OutOfTime: ``time.monotonic()`` passed ``deadline_s`` before the last fold was begun.
    """
    own, truth, foreign, size = [], [], [], 0
    for trial in trials:
        if time.monotonic() > deadline_s:
            raise OutOfTime
        problem = trial.problem
        member = learner.fit(problem, trial.chosen, seed=seed, threads=threads)
        own.append(problem.logits(member, trial.held_out))
        truth.append(problem.target[trial.held_out])
        foreign.append(problem.logits(member, trial.foreign))
        size = sum(array.nbytes for array in member.to_arrays("").values())
    return HeldOut(np.concatenate(own), np.concatenate(truth), np.concatenate(foreign), size)
