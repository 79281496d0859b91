"""Which words of questions go with which words of answers: the translation table, in NumPy.

Fitted in ``nlp.train.translation`` from pairs of question and answer; here it scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_BACKGROUND = 0.1  # share of a question word's probability that no answer has to explain
_SELF = 0.5  # share that the same word in the answer explains


@dataclass(frozen=True, slots=True)
class Table:
    """Sparse conditional probabilities of terms of one side given terms of the other."""

    background: Floats  # (terms,) probability of a term in any text of its side
    starts: Ids  # (terms + 1,) ranges of ``others`` per key term
    others: NDArray[np.int32]  # (entries,)
    probabilities: Floats  # (entries,)


@dataclass(frozen=True, slots=True)
class Translation:
    """Which words of questions go with which words of answers, both ways.

    Attributes:
        vocabulary: sorted ids of the terms of both sides ``(terms,)``.
        asked: P(question term | answer term), keyed by the question term.
        answered: P(answer term | question term), keyed by the question term too.
    """

    vocabulary: Ids
    asked: Table
    answered: Table

    def places(self, terms: Ids) -> Ids:
        """Places of the distinct known terms in the vocabulary."""
        unique = np.unique(terms)
        if not len(self.vocabulary):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.vocabulary, unique), len(self.vocabulary) - 1)
        return np.asarray(at[self.vocabulary[at] == unique], np.int64)

    def scores(self, question: Ids, answers: Sequence[Ids]) -> Floats:
        """Mean log-likelihood ratio of the question under each answer, shape ``(answers,)``.

        0 means that an answer explains the question no better than chance.

        Source: Berger et al., "Bridging the Lexical Chasm", SIGIR 2000; self-translation as in
        Xue, Jeon and Croft, "Retrieval Models for Question and Answer Archives", SIGIR 2008.

        Args:
            question: places of the question's terms.
            answers: places of each answer's terms.
        """
        total = np.zeros(len(answers), np.float64)
        if not len(question) or not len(answers):
            return total.astype(np.float32)
        sizes = np.fromiter((len(answer) for answer in answers), np.int64, len(answers))
        flat = np.concatenate(answers) if sizes.sum() else np.empty(0, np.int64)
        owner = np.repeat(np.arange(len(answers)), sizes)
        lengths = np.maximum(sizes, 1)
        dense = np.zeros(len(self.vocabulary), np.float32)
        for term in question.tolist():
            span = slice(int(self.asked.starts[term]), int(self.asked.starts[term + 1]))
            sources = self.asked.others[span]
            dense[sources] = (1.0 - _SELF) * self.asked.probabilities[span]
            dense[term] += _SELF
            explained = np.bincount(owner, dense[flat], minlength=len(answers)) / lengths
            dense[sources] = 0.0
            dense[term] = 0.0
            chance = max(float(self.asked.background[term]), 1e-7)
            total += np.log1p((1.0 - _BACKGROUND) / _BACKGROUND * explained / chance)
        return (total / len(question)).astype(np.float32)

    def reverse_scores(self, question: Ids, answers: Sequence[Ids]) -> Floats:
        """Mean log-likelihood ratio of each answer under the question, shape ``(answers,)``.

        The same as ``scores`` with the sides changed: what people who ask so are usually told.
        """
        table = self.answered
        sizes = np.fromiter((len(answer) for answer in answers), np.int64, len(answers))
        if not len(question) or not sizes.sum():
            return np.zeros(len(answers), np.float32)
        expected = np.zeros(len(self.vocabulary), np.float64)
        for term in question.tolist():
            span = slice(int(table.starts[term]), int(table.starts[term + 1]))
            expected[table.others[span]] += (1.0 - _SELF) * table.probabilities[span]
            expected[term] += _SELF
        expected /= len(question)
        flat = np.concatenate(answers)
        chance = np.maximum(table.background[flat], 1e-7)
        ratio = np.log1p((1.0 - _BACKGROUND) / _BACKGROUND * expected[flat] / chance)
        owner = np.repeat(np.arange(len(answers)), sizes)
        total = np.bincount(owner, ratio, minlength=len(answers))
        return np.asarray(total / np.maximum(sizes, 1), np.float32)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as plain arrays."""
        arrays: dict[str, NDArray[np.generic]] = {"vocabulary": self.vocabulary}
        for name, table in (("asked", self.asked), ("answered", self.answered)):
            arrays[f"{name}_background"] = table.background
            arrays[f"{name}_starts"] = table.starts.astype(np.int32)
            arrays[f"{name}_others"] = table.others
            arrays[f"{name}_probabilities"] = table.probabilities.astype(np.float16)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Translation:
        """The tables that ``to_arrays`` described."""
        asked, answered = (
            Table(
                arrays[f"{name}_background"].astype(np.float32),
                arrays[f"{name}_starts"].astype(np.int64),
                arrays[f"{name}_others"].astype(np.int32),
                arrays[f"{name}_probabilities"].astype(np.float32),
            )
            for name in ("asked", "answered")
        )
        return cls(arrays["vocabulary"].astype(np.int64), asked, answered)
