"""Which words of questions go with which words of answers: the translation table, in NumPy.

Fitted in ``nlp.train.translation`` from pairs of question and answer; here it scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_BACKGROUND = 0.1  # share of a question word's probability that no answer has to explain
_SELF = 0.5  # share that the same word in the answer explains


@dataclass(frozen=True, slots=True)
class Translation:
    """P(question term | answer term), sparse, grouped by question term."""

    vocabulary: Ids  # (terms,) sorted ids of both sides
    background: Floats  # (terms,) probability of a term in any question
    starts: Ids  # (terms + 1,) ranges of ``sources`` per question term
    sources: NDArray[np.int32]  # (entries,) places of answer terms
    probabilities: Floats  # (entries,)

    def places(self, terms: Ids) -> Ids:
        """Places of the distinct known terms in the vocabulary."""
        unique = np.unique(terms)
        if not len(self.vocabulary):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.vocabulary, unique), len(self.vocabulary) - 1)
        return np.asarray(at[self.vocabulary[at] == unique], np.int64)

    def scores(self, question: Ids, answers: NDArray[np.integer], sizes: Ids) -> Floats:
        """Mean log-likelihood ratio of the question under each answer, shape ``(answers,)``.

        0 means that an answer explains the question no better than chance.

        Source: Berger et al., "Bridging the Lexical Chasm", SIGIR 2000; self-translation as in
        Xue, Jeon and Croft, "Retrieval Models for Question and Answer Archives", SIGIR 2008.

        Args:
            question: places of the question's terms, distinct.
            answers: places of each answer's terms, distinct in each, one answer after the other.
            sizes: number of terms of each answer.
        """
        if not len(question) or not len(sizes):
            return np.zeros(len(sizes), np.float32)
        column_of, table = self._columns(question)
        column = column_of[answers]
        hits = np.flatnonzero(column >= 0)
        owner = np.searchsorted(np.cumsum(sizes), hits, side="right")
        held = np.zeros((len(sizes), len(table)), np.float32)
        held[owner, column[hits]] = 1.0
        explained = (held @ table).astype(np.float64) / np.maximum(sizes, 1)[:, None]
        chance = np.maximum(self.background[question], 1e-7)
        ratios = np.log1p((1.0 - _BACKGROUND) / _BACKGROUND * explained / chance)
        return np.asarray(ratios.mean(axis=1), np.float32)

    def _columns(self, question: Ids) -> tuple[NDArray[np.int32], Floats]:
        """What answer terms say of the question's terms, ``(columns, question)``.

        Also the column of each term of the vocabulary, -1 for those that say nothing.
        """
        spans = list(map(slice, self.starts[question].tolist(), self.starts[question + 1].tolist()))
        sources = np.concatenate([question, *(self.sources[span] for span in spans)])
        column_of = np.full(len(self.vocabulary), -1, np.int32)
        column_of[sources] = np.arange(len(sources))
        telling = sources[column_of[sources] == np.arange(len(sources))]
        column_of[telling] = np.arange(len(telling))
        table = np.zeros((len(telling), len(question)), np.float32)
        own = np.arange(len(question))
        for term, span in enumerate(spans):
            table[column_of[self.sources[span]], term] = (1 - _SELF) * self.probabilities[span]
        table[column_of[question], own] += _SELF
        return column_of, table

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything as plain arrays."""
        return {
            "vocabulary": self.vocabulary,
            "background": self.background,
            "starts": self.starts.astype(np.int32),
            "sources": self.sources,
            "probabilities": self.probabilities.astype(np.float16),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Translation:
        """The table that ``to_arrays`` described."""
        return cls(
            arrays["vocabulary"].astype(np.int64),
            arrays["background"].astype(np.float32),
            arrays["starts"].astype(np.int64),
            arrays["sources"].astype(np.int32),
            arrays["probabilities"].astype(np.float32),
        )
