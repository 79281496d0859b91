"""The fast preset: category and answers by the towers alone, out of the product's own parts.

A message is classified and encoded, its nearest answers are found and stored with it, and only
after that commit the reply is given. No BM25, past questions or correction. Both servers that
carry it, ours and a peer's, call this module: what they share is the model code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from admin.bench.dense_store import MessageStore, open_store
from index.ann import FaissIndex
from index.probed import ProbedIndex
from nlp.classifier import Classified, TicketClassifier
from nlp.encoders import Encoder, load_encoder

Floats = NDArray[np.float32]

FOUND: Final = 10
_SHOWN_CATEGORIES: Final = 3
_TUNING: Final = 200  # questions that the index is asked first
_AGREEMENT: Final = 0.1  # what an answer of the likely category gains
_encode: Final = msgspec.json.Encoder().encode


class KnownAnswer(msgspec.Struct, frozen=True):
    """An answer of the knowledge base, a line of its file."""

    id: int
    text: str
    title: str
    category: str
    language: str
    questions: tuple[str, ...]


class Asked(msgspec.Struct, frozen=True):
    """Body of a request."""

    text: str


class _Shown(msgspec.Struct, frozen=True):
    answer: msgspec.Raw
    confidence: float


class _Reply(msgspec.Struct, frozen=True):
    message_id: int
    categories: dict[str, float]
    suggestions: list[_Shown]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    answers: list[int]
    confidences: list[float]


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one message before it is stored."""

    text: str
    categories: dict[str, float]
    answers: list[int]
    confidences: list[float]


class DensePath:
    """From texts to stored messages and replies.

    Args:
        classifier: reads categories.
        encoder: of questions and answers.
        answers: the knowledge base.
        vectors: its encodings ``(n, d)``.
        store: where messages go; None: nothing is stored.
    """

    def __init__(
        self,
        classifier: TicketClassifier,
        encoder: Encoder,
        answers: Sequence[KnownAnswer],
        vectors: Floats,
        store: MessageStore | None,
    ) -> None:
        self._classifier = classifier
        self._encoder = encoder
        self._store = store
        built = FaissIndex(vectors.shape[1], gpu=False)
        built.add(np.arange(len(answers)), vectors)
        asked = [one.questions[0] for one in answers[:_TUNING] if one.questions]
        # Builds, tuned to questions.
        built.search(self._encoder.encode_questions(asked) if asked else vectors[:1], FOUND)
        self._index = ProbedIndex.from_arrays(built.to_arrays())
        # Answers change seldom: their part of a reply is written once.
        self._written = [
            msgspec.Raw(
                _encode({
                    "id": a.id, "text": a.text, "title": a.title, "category": a.category,
                    "language": a.language,
                })
            )
            for a in answers
        ]  # fmt: skip
        labels = {name: place for place, name in enumerate(self._classifier.labels)}
        self._category = [labels.get(a.category, -1) for a in answers]

    def read(self, texts: Sequence[str]) -> tuple[list[Classified], Floats]:
        """Categories and encoding of each text."""
        return self._classifier.classify(texts), self._encoder.encode_questions(texts)

    def answer(self, texts: Sequence[str]) -> list[Found]:
        """Categories and ranked answers of each text."""
        readings, encoded = self.read(texts)
        scores, rows = self._index.search(encoded, FOUND)
        return [
            self._ranked(text, reading.proba, score, row)
            for text, reading, score, row in zip(
                texts, readings, scores.tolist(), rows.tolist(), strict=True
            )
        ]

    def store_now(self, found: Sequence[Found]) -> Sequence[int] | None:
        """Ids of the messages, which are committed; None: not in this moment, use ``store``."""
        return range(len(found)) if self._store is None else self._store.store_now(_rows(found))

    async def store(self, found: Sequence[Found]) -> Sequence[int]:
        """Ids of the stored messages, after the commit that holds them."""
        return range(len(found)) if self._store is None else await self._store.store(_rows(found))

    async def close(self) -> None:
        """End the store."""
        if self._store is not None:
            await self._store.close()

    def reply(self, message_id: int, found: Found) -> bytes:
        """The answer to the sender, JSON."""
        shown = [
            _Shown(self._written[row], confidence)
            for row, confidence in zip(found.answers, found.confidences, strict=True)
        ]
        return _encode(_Reply(message_id, found.categories, shown))

    def _ranked(
        self, text: str, proba: Floats, scores: Sequence[float], rows: Sequence[int]
    ) -> Found:
        """Ten candidates and a few labels: plain numbers are quicker than arrays of them."""
        shares, categories, exp = proba.tolist(), self._category, math.exp
        ranked = []
        for score, row in zip(scores, rows, strict=True):
            if row >= 0:
                category = categories[row]
                agreed = _AGREEMENT * shares[category] if category >= 0 else 0.0
                ranked.append((1.0 / (1.0 + exp(4.0 - 8.0 * (score + agreed))), row))
        ranked.sort(reverse=True)
        best = proba.argsort()[: -_SHOWN_CATEGORIES - 1 : -1].tolist()
        labels = self._classifier.labels
        return Found(
            text,
            {labels[place]: shares[place] for place in best},
            [row for _, row in ranked],
            [confidence for confidence, _ in ranked],
        )


def _rows(found: Sequence[Found]) -> list[tuple[str, bytes]]:
    return [(one.text, _encode(_Kept(one.answers, one.confidences))) for one in found]


def read_answers(path: Path) -> list[KnownAnswer]:
    """The knowledge base of a file of JSON lines."""
    decoder = msgspec.json.Decoder(KnownAnswer)
    return decoder.decode_lines(path.read_bytes())


def open_path(
    models: Path, answers: Path, vectors: Path, database: Path, durable: Literal["FULL", "NORMAL"]
) -> DensePath:
    """The path over files that a bench has written."""
    store = open_store(database, synced=durable == "FULL")
    return DensePath(*load_models(models), read_answers(answers), np.load(vectors), store)


def load_models(folder: Path) -> tuple[TicketClassifier, Encoder]:
    """Classifier and encoder of a folder with the parts of two bundles."""
    return TicketClassifier.load(folder / "classifier"), load_encoder(folder / "ranker")
