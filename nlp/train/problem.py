"""The classifier's training problem as matrices, and the problem of each fold by itself.

What a fold holds out is seen by nothing that is fitted in it: layout reader, vocabulary and
document frequencies are those of its training rows, as are the models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlp.classifier import Member, member_logits
from nlp.features import MAX_CHARS, Rows
from nlp.layout import LayoutReader
from nlp.train.nets import take
from nlp.train.rows import Fold

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Weigh = Callable[[Sequence[str], Ints], Rows]
"""Rows of folded texts, weighed by what the texts at the given places teach."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Own rows first, then foreign rows, then those without a category.

    Attributes:
        texts: all of them, folded.
        rows: all of them as features.
        target: category of each own and foreign row; ``n_labels`` for foreign ones.
        n_own: number of own rows.
    """

    texts: list[str]
    rows: Rows
    target: Ints
    n_own: int
    n_labels: int

    @property
    def n_foreign(self) -> int:
        """Number of foreign rows."""
        return len(self.target) - self.n_own

    @property
    def unlabelled(self) -> Ints:
        """Numbers of the rows without a category."""
        return np.arange(len(self.target), len(self.texts))

    def training_rows(self, own: Ints, foreign: Ints) -> Ints:
        """Numbers of the given own rows and of the given foreign ones."""
        return np.concatenate([own, foreign + self.n_own])

    def logits(self, member: Member, chosen: Ints) -> Floats:
        """What a member says of the chosen rows. Shapes: (n,) -> (n, n_labels + 1)."""
        texts = [self.texts[row] for row in chosen.tolist()]
        return member_logits(member, texts, take(self.rows, chosen))


@dataclass(frozen=True, slots=True)
class ReadTexts:
    """Own and foreign texts as a reader of the desk folds them; the known ones are trained on.

    The reader has seen the known own texts alone.
    """

    own: list[str]
    foreign: list[str]
    unlabelled: list[str]
    known_own: Ints
    known_foreign: Ints
    reader: LayoutReader


def read_texts(
    own: Sequence[str],
    foreign: Sequence[str],
    known_own: Ints,
    known_foreign: Ints,
    unlabelled: Sequence[str] = (),
) -> ReadTexts:
    """Fit a layout reader to the known own raw texts and fold all texts with it."""
    reader = LayoutReader.fit(own[place] for place in known_own.tolist())
    folded, strange, unsorted = (
        [reader.fold(text[:MAX_CHARS]) for text in texts] for texts in (own, foreign, unlabelled)
    )
    return ReadTexts(folded, strange, unsorted, known_own, known_foreign, reader)


def build_problem(texts: ReadTexts, numbers: Ints, weigh: Weigh, *, n_labels: int) -> Problem:
    """Matrices of folded texts. Shapes: ``numbers`` has one entry per own text."""
    strange = np.full(len(texts.foreign), n_labels, np.int64)
    labelled = len(texts.own) + len(texts.foreign)
    everything = [*texts.own, *texts.foreign, *texts.unlabelled]
    unlabelled = np.arange(labelled, len(everything))
    known = np.concatenate([texts.known_own, texts.known_foreign + len(texts.own), unlabelled])
    target = np.concatenate([numbers, strange])
    return Problem(everything, weigh(everything, known), target, len(texts.own), n_labels)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Logits for rows that were not trained on. ``own`` (n, k + 1), ``foreign`` (m, k + 1).

    ``model_bytes`` are the weights of the model of one fold.
    """

    own: Floats
    truth: Ints
    foreign: Floats
    model_bytes: int

    @property
    def predicted(self) -> Ints:
        """Best category of each own row."""
        return np.asarray(self.own[:, :-1].argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the best category is the true one."""
        return np.asarray(self.predicted == self.truth, np.bool_)


@dataclass(frozen=True, slots=True)
class Trial:
    """One fold as a problem: the numbers of its training, judged and judged foreign rows."""

    problem: Problem
    chosen: Ints
    held_out: Ints
    foreign: Ints


def read_folds(
    own: Sequence[str],
    foreign: Sequence[str],
    folds: Sequence[Fold],
    unlabelled: Sequence[str] = (),
) -> list[ReadTexts]:
    """Each fold's reading of the raw texts. A share of the foreign ones is unknown in each."""
    everyone = np.arange(len(foreign))
    parts = max(2, len(folds))
    return [
        read_texts(own, foreign, fold.train, everyone[everyone % parts != number], unlabelled)
        for number, fold in enumerate(folds)
    ]


def as_trial(problem: Problem, texts: ReadTexts, held_out: Ints) -> Trial:
    """The trial of a fold whose problem was built from ``texts``."""
    unknown = np.setdiff1d(np.arange(problem.n_foreign), texts.known_foreign)
    return Trial(
        problem,
        problem.training_rows(texts.known_own, texts.known_foreign),
        held_out,
        unknown + problem.n_own,
    )
