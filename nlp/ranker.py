"""The trained dual encoder in NumPy: a question and an answer as unit vectors of one space.

A text is the mean of its n-gram rows (stems and trigrams, one table for both towers), then one
residual softsign layer per tower, then unit length. Training is in ``nlp.train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.artifacts import ArtifactDamaged, load_arrays, save_arrays
from nlp.gathering import Table
from nlp.terms import tower_terms, word_terms
from nlp.text import words
from nlp.translation import Translation

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_FILE = "ranker.safetensors"
# Answers are long; what follows adds little to a mean and much to the time.
_MAX_TERMS = 4000
_SHORT = _MAX_TERMS // 20  # no normal form is 20 times as long as what was written
_REMEMBERED = 20_000  # words whose places are kept
_LONGEST_REMEMBERED = 40


class Tower(msgspec.Struct, frozen=True):
    """One residual layer: ``h + softsign(h W + b)``. Shapes: ``(d, d)`` and ``(d,)``."""

    weight: Floats
    bias: Floats


class Rows(msgspec.Struct, frozen=True):
    """Texts as a sparse matrix over the vocabulary, in CSR form."""

    starts: Ids  # (texts + 1,)
    places: Ids
    weights: Floats


class DualEncoder:
    """Encodes questions and answers; the inner product of two encodings is their similarity.

    Args:
        vocabulary: sorted term ids ``(terms,)``.
        idf: weight of each term ``(terms,)``.
        table: row of each term ``(terms, d)``.
        question: tower of questions.
        answer: tower of answers.
        translation: word translation table of the same pairs, if there were enough.
    """

    def __init__(
        self,
        vocabulary: Ids,
        idf: Floats,
        table: Table,
        *,
        question: Tower,
        answer: Tower,
        translation: Translation | None = None,
    ) -> None:
        if not len(vocabulary) == len(idf) == len(table):
            raise ArtifactDamaged(f"{_FILE}: the vocabulary and the table differ in length")
        self._vocabulary = np.ascontiguousarray(vocabulary, np.int64)
        self._idf = _plain(idf)
        self._table = table
        self._question = Tower(_plain(question.weight), _plain(question.bias))
        self._answer = Tower(_plain(answer.weight), _plain(answer.bias))
        self.translation = translation
        self._known: dict[str, bytes] = {}  # places of words seen; the words come again

    @property
    def dimension(self) -> int:
        """Length of an encoding."""
        return self._table.size

    def encode_questions(self, texts: Sequence[str]) -> Floats:
        """Unit rows ``(n, d)``; zeros for a text without a known term."""
        return self._encode(texts, self._question)

    def encode_answers(self, texts: Sequence[str]) -> Floats:
        """Unit rows ``(n, d)``; zeros for a text without a known term."""
        return self._encode(texts, self._answer)

    def save(self, folder: Path) -> None:
        """Write the encoder into an existing or new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        packed = self._table.packed()
        arrays: dict[str, NDArray[np.generic]] = {
            "vocabulary": self._vocabulary,
            "idf": self._idf,
            "table": packed.values,
            "table_scale": packed.steps[:, None],
            "question_weight": self._question.weight,
            "question_bias": self._question.bias,
            "answer_weight": self._answer.weight,
            "answer_bias": self._answer.bias,
        }
        if self.translation is not None:
            arrays |= {f"translation_{k}": v for k, v in self.translation.to_arrays().items()}
        save_arrays(folder / _FILE, arrays)

    @classmethod
    def load(cls, folder: Path) -> DualEncoder:
        """The encoder that ``save`` wrote.

        Raises:
            ArtifactDamaged: a file or an array is missing or does not fit.
        """
        arrays = load_arrays(folder / _FILE)
        prefix = "translation_"
        rest = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        try:
            return cls(
                arrays["vocabulary"].astype(np.int64),
                arrays["idf"].astype(np.float32),
                Table(arrays["table"], arrays["table_scale"].reshape(-1)),
                question=Tower(arrays["question_weight"], arrays["question_bias"]),
                answer=Tower(arrays["answer_weight"], arrays["answer_bias"]),
                translation=Translation.from_arrays(rest) if rest else None,
            )
        except KeyError as error:
            raise ArtifactDamaged(f"{_FILE}: the array {error} is missing") from None
        except ValueError as error:
            raise ArtifactDamaged(f"{_FILE}: {error}") from None

    def _encode(self, texts: Sequence[str], tower: Tower) -> Floats:
        encoded = np.zeros((len(texts), self.dimension), np.float32)
        if native.library is not None:
            table = self._table
            arrays = self._idf, table.values, table.steps, tower.weight, tower.bias
            for i, text in enumerate(texts):
                native.library.encode(self._places(text), *arrays, encoded[i])
            return encoded
        for position, text in enumerate(texts):
            places, weights = weigh(tower_terms(text), self._vocabulary, self._idf)
            if len(places):
                encoded[position] = self._table.weighted_sum(places, weights)
        known = encoded.any(axis=1)
        layer = encoded @ tower.weight + tower.bias
        encoded += layer / (1.0 + np.abs(layer))
        encoded /= np.maximum(np.linalg.norm(encoded, axis=1, keepdims=True), 1e-9)
        encoded[~known] = 0.0
        return encoded

    def _places(self, text: str) -> bytes:
        """Places of the known terms of a text in the vocabulary, int64 with repeats."""
        found = words(text)
        # Each word is a stem, and a trigram for each of its letters.
        if len(text) > _SHORT and sum(map(len, found)) + len(found) > _MAX_TERMS:
            return self._known_places(tower_terms(text)[:_MAX_TERMS])
        try:
            return b"".join([self._known[word] for word in found])
        except KeyError:
            return b"".join([self._learn(word) for word in found])

    def _learn(self, word: str) -> bytes:
        places = self._known.get(word)
        if places is None:
            places = self._known_places(word_terms(word))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(word) <= _LONGEST_REMEMBERED:
                self._known[word] = places
        return places

    def _known_places(self, terms: Ids) -> bytes:
        if not len(self._vocabulary):
            return b""
        places = np.minimum(np.searchsorted(self._vocabulary, terms), len(self._vocabulary) - 1)
        known: Ids = places[self._vocabulary[places] == terms].astype(np.int64)
        return known.tobytes()


def _plain(values: Floats) -> Floats:
    return np.ascontiguousarray(values, np.float32)


def counted(terms: Ids, vocabulary: Ids) -> tuple[Ids, Ids]:
    """Places of the known terms in the vocabulary and how often each stands in the text."""
    unique, counts = np.unique(terms[:_MAX_TERMS], return_counts=True)
    if not len(unique) or not len(vocabulary):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    places = np.minimum(np.searchsorted(vocabulary, unique), len(vocabulary) - 1)
    known = vocabulary[places] == unique
    return places[known].astype(np.int64), counts[known].astype(np.int64)


def weigh(terms: Ids, vocabulary: Ids, idf: Floats) -> tuple[Ids, Floats]:
    """Places of the known terms in the vocabulary and their TF-IDF weights of unit length."""
    places, counts = counted(terms, vocabulary)
    weights = (1.0 + np.log(counts)) * idf[places]
    weights /= max(float(np.linalg.norm(weights)), 1e-9)
    return places, weights.astype(np.float32)
