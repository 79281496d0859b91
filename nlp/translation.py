"""Which words of questions go with which words of answers: the translation table, in NumPy.

Fitted in ``nlp.train.translation`` from pairs of question and answer; here it scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_BACKGROUND = 0.1  # share of a question word's probability that no answer has to explain
_AT_ONCE = 16  # question terms; memory stays bounded
_SELF = 0.5  # share that the same word in the answer explains


class Translation(msgspec.Struct, frozen=True):
    """P(question term | answer term), sparse, grouped by question term."""

    vocabulary: Ids  # (terms,) sorted ids of both sides
    background: Floats  # (terms,) probability of a term in any question
    starts: Ids  # (terms + 1,) ranges of ``sources`` per question term
    sources: NDArray[np.int32]  # (entries,) places of answer terms
    probabilities: Floats  # (entries,)

    def places(self, terms: Ids) -> Ids:
        """Places of the distinct known terms in the vocabulary."""
        if not len(self.vocabulary) or not len(terms):
            return np.empty(0, np.int64)
        unique = np.sort(terms)
        unique = unique[np.append(True, unique[1:] != unique[:-1])]
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
        if native.library is not None:
            found = np.empty(len(sizes), np.float32)
            native.library.translate(
                self.background, self.starts, self.sources, self.probabilities,
                question, answers.astype(np.int32, copy=False), sizes, found,
            )  # fmt: skip
            return found
        total = np.zeros(len(sizes), np.float64)
        some = np.flatnonzero(sizes)
        if not len(question) or not len(some):
            return total.astype(np.float32)
        lengths = sizes[some]
        starts = np.cumsum(lengths) - lengths
        places = answers.astype(np.intp)
        for first in range(0, len(question), _AT_ONCE):
            part = question[first : first + _AT_ONCE]
            explained = np.zeros((len(part), len(sizes)))
            said = self._rows(part).take(places, axis=1)
            explained[:, some] = np.add.reduceat(said, starts, axis=1) / lengths
            chance = np.maximum(self.background[part], 1e-7)[:, None]
            total += np.log1p((1.0 - _BACKGROUND) / _BACKGROUND * explained / chance).sum(axis=0)
        return (total / len(question)).astype(np.float32)

    def _rows(self, question: Ids) -> Floats:
        """What every answer term explains of some question terms, ``(question, terms)``."""
        rows = np.zeros((len(question), len(self.vocabulary)), np.float32)
        starts, ends = self.starts[question].tolist(), self.starts[question + 1].tolist()
        for row, start, end in zip(rows, starts, ends, strict=True):
            row[self.sources[start:end]] = (1.0 - _SELF) * self.probabilities[start:end]
        rows[np.arange(len(question)), question] += _SELF
        return rows

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
