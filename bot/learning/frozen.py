"""The frozen slice: tickets and questions that no model is ever trained on, kept to judge by.

A hash of the text alone decides, so a text stays in or out for ever, whatever else is there. What
the knowledge base itself says in nearly the same words cannot be kept out of training and is left
out of the slice; what tickets and verdicts say nearly alike is left out of training.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bot.learning.dataset import CategoryRow, Dataset, QuestionRow
from index.near import Ids, near_any
from nlp.text import words

SHARE: Final = 10  # one text in so many is frozen
FROZEN_FROM: Final = 200  # distinct judged texts, below which all are needed for training
_SALT: Final = b"neurobot frozen slice 1"
_SHINGLE: Final = 4  # characters
_LIKE: Final = 0.8  # Jaccard coefficient of shingles, from which texts are nearly the same
_MOST_CHARS: Final = 1500


@dataclass(frozen=True, slots=True)
class FrozenSlice:
    """Rows to judge by: categories of texts, and questions with their right article."""

    rows: tuple[CategoryRow, ...] = ()
    questions: tuple[QuestionRow, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.questions)

    @property
    def texts(self) -> list[str]:
        """Every text of the slice once."""
        return list(dict.fromkeys([*_texts(self.rows), *_texts(self.questions)]))


def text_key(text: str) -> str:
    """A text without case, punctuation and spacing: equal keys are the same text."""
    return " ".join(words(text))


def near_duplicates(texts: Sequence[str], known: Sequence[str]) -> set[int]:
    """Places of the ``texts`` that are, but for little, one of ``known``."""
    return near_any([_shingles(one) for one in texts], [_shingles(one) for one in known], _LIKE)


def text_hash(text: str) -> int:
    """64 bits of a text's normal form, which say nothing of what it says."""
    digest = hashlib.sha256(_SALT + text_key(text).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def is_frozen(text: str) -> bool:
    """Whether a text belongs to the slice, by itself."""
    return text_hash(text) % SHARE == 0


def hold_out_frozen(data: Dataset) -> tuple[Dataset, FrozenSlice]:
    """The training set without the slice, and the slice; below ``FROZEN_FROM`` texts all of it."""
    judged = [row for row in data.rows if row.origin == "ticket"]
    judged_texts = [*_texts(judged), *_texts(data.questions)]
    texts = {text_key(text) for text in judged_texts}
    if len(texts) < FROZEN_FROM:
        return data, FrozenSlice()
    candidates = list(dict.fromkeys(text for text in judged_texts if is_frozen(text)))
    public = near_duplicates(candidates, _knowledge_texts(data))
    frozen = {text for place, text in enumerate(candidates) if place not in public}
    held = FrozenSlice(
        tuple(row for row in judged if row.text in frozen),
        tuple(row for row in data.questions if row.text in frozen),
    )
    return _without(data, held), held


def leaked(data: Dataset, held: FrozenSlice) -> list[str]:
    """Texts of the training set that are, or nearly are, in the slice."""
    texts = training_texts(data)
    return [texts[place] for place in sorted(near_duplicates(texts, held.texts))]


def training_texts(data: Dataset) -> list[str]:
    """Every text that a model learns from, but for what articles alone say."""
    return list(dict.fromkeys([*_texts(data.rows), *_texts(data.questions), *data.unlabelled]))


def _without(data: Dataset, held: FrozenSlice) -> Dataset:
    gone = set(held.texts) | set(leaked(data, held))

    def kept(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(text for text in texts if text not in gone)

    return replace(
        data,
        rows=tuple(row for row in data.rows if row.text not in gone),
        questions=tuple(row for row in data.questions if row.text not in gone),
        unlabelled=kept(data.unlabelled),
    )


def _texts(rows: Iterable[CategoryRow] | Iterable[QuestionRow]) -> list[str]:
    return [row.text for row in rows]


def _knowledge_texts(data: Dataset) -> list[str]:
    own = [text for item in data.items for text in (item.title, *item.questions)]
    return [*own, *(row.text for row in data.rows if row.origin != "ticket")]


def _shingles(text: str) -> Ids:
    key = text_key(text)[:_MOST_CHARS]
    if not key:
        return np.zeros(0, np.int64)
    padded = f" {key} "
    starts = range(max(len(padded) - _SHINGLE + 1, 1))
    return np.asarray(
        [zlib.crc32(padded[i : i + _SHINGLE].encode("utf-8", "surrogatepass")) for i in starts],
        np.int64,
    )
