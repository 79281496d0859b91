"""The fast preset: category and answers by the towers alone, out of the product's own parts.

A message is classified and encoded, its nearest answers are found and stored with it, and only
after that commit the reply is given. No BM25, past questions or correction. Both servers that
carry it, ours and a peer's, call this module: what they share is the model code.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.store.database import Database
from index.ann import FaissIndex
from nlp.classifier import Classified, TicketClassifier
from nlp.encoders import Encoder, load_encoder

FOUND: Final = 10
_SHOWN_CATEGORIES: Final = 3
_TUNING: Final = 200  # questions that the index is asked first
_AGREEMENT: Final = 0.1  # what an answer of the likely category gains
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS suggestions (message_id INTEGER PRIMARY KEY, payload BLOB NOT NULL);
"""


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
        database: where messages go; None: nothing is stored.
    """

    def __init__(
        self,
        classifier: TicketClassifier,
        encoder: Encoder,
        answers: Sequence[KnownAnswer],
        vectors: NDArray[np.float32],
        database: Database | None,
    ) -> None:
        self._classifier = classifier
        self._encoder = encoder
        self._database = database
        self._index = FaissIndex(vectors.shape[1], gpu=False)
        self._index.add(np.arange(len(answers)), vectors)
        asked = [one.questions[0] for one in answers[:_TUNING] if one.questions]
        # Builds, tuned to questions.
        self._index.search(self._encoder.encode_questions(asked) if asked else vectors[:1], FOUND)
        # Answers change seldom: their part of a reply is written once.
        self._written = [
            msgspec.Raw(
                msgspec.json.encode({
                    "id": a.id, "text": a.text, "title": a.title, "category": a.category,
                    "language": a.language,
                })
            )
            for a in answers
        ]  # fmt: skip
        labels = {name: place for place, name in enumerate(self._classifier.labels)}
        self._category = [labels.get(a.category, -1) for a in answers]

    def read(self, texts: Sequence[str]) -> tuple[list[Classified], NDArray[np.float32]]:
        """Categories and encoding of each text."""
        return self._classifier.classify(texts), self._encoder.encode_questions(texts)

    def answer(self, texts: Sequence[str]) -> list[Found]:
        """Categories and ranked answers of each text."""
        readings, encoded = self.read(texts)
        scores, rows = self._index.search(encoded, FOUND)
        return [
            self._ranked(text, reading.proba.tolist(), score, row)
            for text, reading, score, row in zip(
                texts, readings, scores.tolist(), rows.tolist(), strict=True
            )
        ]

    async def store(self, found: Sequence[Found]) -> list[int]:
        """Ids of the stored messages, after the commit that holds them."""
        if self._database is None:
            return [0] * len(found)
        now = time.time()
        payloads = [msgspec.json.encode(_Kept(one.answers, one.confidences)) for one in found]

        def insert(connection: Any) -> list[int]:
            ids = []
            for one, payload in zip(found, payloads, strict=True):
                row = "INSERT INTO messages (text, at) VALUES (?, ?)"
                ids.append(int(connection.execute(row, (one.text, now)).lastrowid))
                kept = "INSERT INTO suggestions (message_id, payload) VALUES (?, ?)"
                connection.execute(kept, (ids[-1], payload))
            return ids

        return await self._database.write(insert)

    def reply(self, message_id: int, found: Found) -> bytes:
        """The answer to the sender, JSON."""
        shown = [
            _Shown(self._written[row], confidence)
            for row, confidence in zip(found.answers, found.confidences, strict=True)
        ]
        return msgspec.json.encode(_Reply(message_id, found.categories, shown))

    def _ranked(
        self, text: str, proba: Sequence[float], scores: Sequence[float], rows: Sequence[int]
    ) -> Found:
        """Ten candidates and a few labels: plain numbers are quicker than arrays of them."""
        ranked = []
        for score, row in zip(scores, rows, strict=True):
            if row >= 0:
                category = self._category[row]
                total = score + (_AGREEMENT * proba[category] if category >= 0 else 0.0)
                ranked.append((1.0 / (1.0 + math.exp(-8.0 * (total - 0.5))), row))
        ranked.sort(reverse=True)
        best = nlargest(_SHOWN_CATEGORIES, zip(proba, self._classifier.labels, strict=True))
        return Found(
            text,
            {label: share for share, label in best},
            [row for _, row in ranked],
            [confidence for confidence, _ in ranked],
        )


def read_answers(path: Path) -> list[KnownAnswer]:
    """The knowledge base of a file of JSON lines."""
    decoder = msgspec.json.Decoder(KnownAnswer)
    return decoder.decode_lines(path.read_bytes())


def open_path(
    models: Path, answers: Path, vectors: Path, database: Path, durable: Literal["FULL", "NORMAL"]
) -> DensePath:
    """The path over files that a bench has written."""
    base = Database(database, durable, 1, prepare_tables)
    return DensePath(*load_models(models), read_answers(answers), np.load(vectors), base)


def load_models(folder: Path) -> tuple[TicketClassifier, Encoder]:
    """Classifier and encoder of a folder with the parts of two bundles."""
    return TicketClassifier.load(folder / "classifier"), load_encoder(folder / "ranker")


def prepare_tables(connection: Any) -> None:
    """Make the two tables where they are not there."""
    connection.executescript(_SCHEMA)
