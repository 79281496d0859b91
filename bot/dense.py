"""Articles and their past questions as vectors of a trained encoder, searched by likeness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.ann import Device, load_index, stored
from index.listed import in_steps
from index.passages import PassageIndex
from index.scoring import best_of_groups
from index.vectors import VectorIndex
from nlp.encoders import Encoder

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

NEAREST_ANSWERS = 15
_NEAREST_QUESTIONS = 30


class DenseIndex(msgspec.Struct, frozen=True):
    """Encodings of articles and of past questions, by row."""

    encoder: Encoder
    answers: VectorIndex
    questions: VectorIndex

    def add(self, rows: Ids, texts: Sequence[str], asked: Ids, questions: Sequence[str]) -> None:
        """Encode articles and their past questions; ``asked`` are the rows of these."""
        encoded = self.encoder.encode_answers(texts)
        self.answers.add(rows, encoded)
        past = self.encoder.encode_questions(questions)
        if questions:
            self.questions.add(asked, past)
        # Searched once, so that what is built on demand is built here and not for a customer, and
        # tuned to questions.
        known = past[np.linspace(0, len(past) - 1, min(len(past), 200)).astype(np.int64)]
        self.answers.search(known if len(known) else encoded[:1], 1)
        self.questions.search(known, 1)

    def to_parts(self) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """The encodings as plain arrays, one part after the other."""
        yield "answer_vectors", in_steps(stored(self.answers))
        yield "question_vectors", in_steps(stored(self.questions))

    @classmethod
    def from_parts(
        cls, parts: Mapping[str, Mapping[str, NDArray[Any]]], encoder: Encoder, device: str
    ) -> tuple[DenseIndex, Device]:
        """What ``to_parts`` described, and where it is searched.

        Raises:
            ValueError: the encodings are none of this encoder.
        """
        (answers, found), (questions, _) = (
            load_index(parts[name], device) for name in ("answer_vectors", "question_vectors")
        )
        if {answers.dimension, questions.dimension} != {encoder.dimension}:
            raise ValueError("the encoder gives vectors of another length")
        return cls(encoder, answers, questions), found

    def finds(self, vector: Floats, passages: PassageIndex) -> list[Ids]:
        """Rows of the nearest articles, and of the articles of the nearest past questions."""
        found = self.answers.search(vector, NEAREST_ANSWERS)[1][0]
        asked = self.questions.search(vector, _NEAREST_QUESTIONS)[1][0]
        return [found[found >= 0], passages.owners(asked[asked >= 0])]

    def likeness(self, vector: Floats, rows: Ids, passages: PassageIndex) -> Floats:
        """Inner product with each article and with its nearest past question, ``(n, 2)``."""
        found = np.zeros((len(rows), 2), np.float32)
        found[:, 0] = self.answers.products(rows, vector)
        asked, sizes = passages.questions(rows)
        ends = np.cumsum(np.append(0, sizes))
        found[:, 1] = best_of_groups(self.questions.products(asked, vector), ends)
        return found
