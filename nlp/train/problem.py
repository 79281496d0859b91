"""The classifier's training problem as matrices, and one fold's models on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.svm import LinearSVC

from nlp.features import Features, Rows
from nlp.network import Network
from nlp.train.nets import NetRecipe, fit_network, take
from nlp.train.rows import Fold
from nlp.train.typos import misspell

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Logit of a category that had no row to train on.
_UNSEEN = -2.0
_TYPO_SHARE = 0.07


@dataclass(frozen=True, slots=True)
class Problem:
    """Own rows first, then misspelt copies of some of them, then foreign rows.

    Attributes:
        rows: all of them as features.
        target: category of each row; ``n_labels`` for foreign ones.
        n_own: number of own rows.
        copied: numbers of the own rows that have a copy, in the order of the copies.
    """

    rows: Rows
    target: Ints
    n_own: int
    n_labels: int
    copied: Ints

    @property
    def n_foreign(self) -> int:
        """Number of foreign rows."""
        return len(self.target) - self.n_own - len(self.copied)

    def training_rows(self, own: Ints, foreign: Ints) -> Ints:
        """Numbers of the given own rows, of their copies, and of the given foreign rows."""
        copies = np.flatnonzero(np.isin(self.copied, own)) + self.n_own
        return np.concatenate([own, copies, foreign + self.n_own + len(self.copied)])


def build_problem(
    own: Sequence[str],
    numbers: Ints,
    foreign: Sequence[str],
    features: Features,
    *,
    n_labels: int,
    copied: Ints,
    seed: int,
) -> Problem:
    """Matrices of folded texts. Shapes: ``numbers`` has one entry per own text."""
    copies = misspell([own[row] for row in copied.tolist()], share=_TYPO_SHARE, seed=seed)
    strange = np.full(len(foreign), n_labels, np.int64)
    target = np.concatenate([numbers, numbers[copied], strange])
    rows = features.transform([*own, *copies, *foreign])
    return Problem(rows, target, len(own), n_labels, copied)


def fit_linear(problem: Problem, chosen: Ints, *, seed: int) -> Network:
    """One-against-rest linear support vectors with squared hinge as a ``Network``.

    Source: Fan et al., LIBLINEAR, JMLR 2008.
    """
    part = take(problem.rows, chosen)
    matrix = csr_matrix((part.values, part.indices, part.indptr), shape=(len(part), part.width))
    # Copies double the rows, so each may pull less.
    model = LinearSVC(C=0.3 if len(problem.copied) else 0.5, random_state=seed)
    model.fit(matrix, problem.target[chosen])
    table = np.zeros((part.width, problem.n_labels + 1), np.float32)
    bias = np.full(problem.n_labels + 1, _UNSEEN, np.float32)
    if len(model.classes_) == 2:
        first, second = model.classes_
        table[:, second], bias[second] = model.coef_[0], model.intercept_[0]
        table[:, first], bias[first] = -model.coef_[0], -model.intercept_[0]
    else:
        table[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return Network(table, bias)


def fit_net(
    problem: Problem, chosen: Ints, recipe: NetRecipe, *, seed: int, threads: int
) -> Network:
    """The small torch network on the same rows."""
    rows, target = take(problem.rows, chosen), problem.target[chosen]
    return fit_network(rows, target, problem.n_labels + 1, recipe, seed=seed, threads=threads)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Logits for rows that were not trained on. ``own`` (n, k + 1), ``foreign`` (m, k + 1)."""

    own: Floats
    truth: Ints
    foreign: Floats

    @property
    def predicted(self) -> Ints:
        """Best category of each own row."""
        return np.asarray(self.own[:, :-1].argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best category is the true one."""
        return np.asarray(self.predicted == self.truth, np.bool_)


def hold_out(problem: Problem, folds: Sequence[Fold], recipe: NetRecipe | None, *, seed: int,
             threads: int = 1) -> HeldOut:  # fmt: skip
    """Train on each fold and keep the logits of what it held out.

    ``recipe`` None: linear, else the network.
    """
    own, truth, foreign = [], [], []
    everyone = np.arange(problem.n_foreign)
    parts = max(2, len(folds))
    first_foreign = len(problem.target) - problem.n_foreign
    for number, fold in enumerate(folds):
        aside = everyone[everyone % parts == number]
        chosen = problem.training_rows(fold.train, np.setdiff1d(everyone, aside))
        if recipe is None:
            model = fit_linear(problem, chosen, seed=seed)
        else:
            model = fit_net(problem, chosen, recipe, seed=seed, threads=threads)
        own.append(model.logits(take(problem.rows, fold.held_out)))
        truth.append(problem.target[fold.held_out])
        foreign.append(model.logits(take(problem.rows, aside + first_foreign)))
    return HeldOut(np.concatenate(own), np.concatenate(truth), np.concatenate(foreign))
