"""What a bundle says of texts it has not been trained on, measured as it would serve them.

Runs in the training child, for the challenger and the champion alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.answering import Answerer
from bot.bundles import Bundle
from bot.candidates import CandidateIndex
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from bot.learning.questions import merge_questions, same_answers, with_questions
from bot.store.records import Canary

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

_TIMED: Final = 48  # questions
_MOST_QUESTIONS: Final = 1000  # of the slice that are ranked


@dataclass(frozen=True, slots=True)
class Readings:
    """A classifier's word on rows: the label it gives each, its confidence, and whether right."""

    said: tuple[str, ...]
    confidence: Floats
    right: Bools


@dataclass(frozen=True, slots=True)
class Rankings:
    """First suggestions for questions: confidence, and whether right."""

    confidence: Floats
    right: Bools


@dataclass(frozen=True, slots=True)
class Kept:
    """A canary question: whether it keeps its answer, and what it gets (title or category)."""

    question: str
    kept: bool
    wanted: str
    got: str


class Candidate:
    """A bundle with an index of what it may know: everything but the frozen questions."""

    def __init__(self, bundle: Bundle, data: Dataset, size_bytes: int) -> None:
        self.bundle = bundle
        self.size_bytes = size_bytes
        index = CandidateIndex(bundle.encoder, "cpu")
        asked = [(row.text, row.answer_id) for row in data.questions]
        known = merge_questions(asked, [None] * len(asked))
        index.put(with_questions(data.items, known, set()))
        self._index = index
        self._answerer = Answerer(bundle, index, 0)

    def read(self, rows: Sequence[CategoryRow]) -> Readings | None:
        """What the classifier says of rows; None without one."""
        classifier = self.bundle.classifier
        if classifier is None or not rows:
            return None
        proba = classifier.predict_proba([row.text for row in rows])
        said = tuple(classifier.labels[place] for place in proba.argmax(axis=1).tolist())
        right = [label == row.category for label, row in zip(said, rows, strict=True)]
        return Readings(said, proba.max(axis=1), np.asarray(right, bool))

    def rank(self, questions: Sequence[QuestionRow], data: Dataset) -> Rankings | None:
        """First suggestions; equal questions count once; None without an own correction."""
        if self.bundle.correction is None or not questions:
            return None
        asked = merge_questions(
            [(row.text, row.answer_id) for row in questions], [None] * len(questions)
        )[:_MOST_QUESTIONS]
        same = same_answers(data.items)
        confidence, right = [], []
        for one in asked:
            first = self._answerer.suggest(one.text, 1).items[:1]
            wanted = frozenset[int]().union(*(same.get(answer, ()) for answer in one.right))
            confidence.append(first[0].confidence if first else 0.0)
            right.append(bool(first) and first[0].answer_id in wanted)
        return Rankings(np.asarray(confidence, np.float32), np.asarray(right, bool))

    def canaries(self, canaries: Sequence[Canary], data: Dataset) -> list[Kept]:
        """Whether each canary keeps what the admin chose; a removed answer is nobody's to keep."""
        same = same_answers(data.items)
        titles = {item.answer_id: item.title or item.text[:60] for item in data.items}
        kept = []
        for canary in canaries:
            found = self._answerer.suggest(canary.question, 1, language=canary.language)
            if canary.answer_id is not None and canary.answer_id in titles:
                first = found.items[0] if found.items else None
                right = first is not None and first.answer_id in same[canary.answer_id]
                got = titles.get(first.answer_id, "") if first is not None else ""
                kept.append(Kept(canary.question, right, titles[canary.answer_id], got))
            if canary.category and self.bundle.classifier is not None:
                got = found.categories[0].name if found.categories else ""
                kept.append(Kept(canary.question, got == canary.category, canary.category, got))
        return kept

    def answer_once(self, text: str) -> float:
        """Processor seconds that one answer takes; a busy machine does not count."""
        begun = time.process_time()
        self._answerer.suggest(text)
        return time.process_time() - begun


def latencies_ms(candidates: Mapping[str, Candidate], texts: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of an answer by each, taking turns so that noise falls on all alike.

    Each text is read once before, for what is remembered of its words serves all that come after.
    """
    spent: dict[str, list[float]] = {name: [] for name in candidates}
    for text in texts[:_TIMED]:
        for candidate in candidates.values():
            candidate.answer_once(text)
        for name, candidate in candidates.items():
            spent[name].append(candidate.answer_once(text))
    return {name: float(np.median(values) * 1e3) for name, values in spent.items() if values}


def folder_bytes(folder: Path) -> int:
    """Size of all files of a bundle."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
