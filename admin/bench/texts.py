"""A knowledge base of any size: texts of a real one recombined, with an endless vocabulary.

Articles are made of sentences of one language, past questions are questions of the article that
the first sentence came from. Some words are replaced by invented ones drawn by Zipf's law, as
names, models and codes are in a real knowledge base, so that vocabulary grows with the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from admin.evaluate.corpus import Corpus
from bot.entries import KnowledgeItem

SUPPORT_WORDS: Final = (60, 150)  # length of a support article
_INVENTED: Final = 200_000  # words that may be invented
_REPLACED: Final = 0.08  # share of an article's words
_NAMED: Final = 0.5  # questions that name a word invented for their article
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")
_SYLLABLES: Final = {
    "ru": "бавегидожузакиломинупареситофухацешелари",
    "en": "bavegidojuzakilominuparesitofuhacewelari",
}


@dataclass(frozen=True, slots=True)
class Source:
    """An article that texts are made of."""

    text: str
    title: str
    category: str
    language: str
    questions: tuple[str, ...]


def corpus_sources(corpus: Corpus) -> list[Source]:
    """Answers of an evaluation folder with the training questions that they are right for."""
    asked: dict[str, list[str]] = {}
    for question in corpus.train:
        for answer_id in question.answers:
            asked.setdefault(answer_id, []).append(question.text)
    return [
        Source(a.text, a.title, a.category, a.language, tuple(asked.get(a.id, ())))
        for a in corpus.answers
    ]


class TextMaker:
    """Endless articles and questions made of sources; the same seed gives the same texts.

    Args:
        sources: at least one, each with a text.
        seed: of every random choice.
    """

    def __init__(self, sources: Sequence[Source], seed: int = 0) -> None:
        self._sources = sources
        self._rng = np.random.default_rng(seed)
        self._split = [_SENTENCE.split(source.text.strip()) for source in sources]
        self._alike: dict[str, list[int]] = {}
        for place, source in enumerate(sources):
            self._alike.setdefault(source.language, []).append(place)

    def articles(
        self, count: int, *, past: int = 1, words: tuple[int, int] = SUPPORT_WORDS
    ) -> Iterator[KnowledgeItem]:
        """Articles with distinct texts, ids from 1, each with ``past`` past questions."""
        seen: set[int] = set()
        while len(seen) < count:
            place = self._draw(len(self._sources))
            text, invented = self._text(place, int(self._rng.integers(*words, endpoint=True)))
            if hash(text) in seen:
                continue
            seen.add(hash(text))
            source = self._sources[place]
            asked = tuple(self._question(source, invented) for _ in range(past))
            yield KnowledgeItem(
                len(seen), text, self._name(source.title, invented) if source.title else "",
                source.category, source.language, asked,
            )  # fmt: skip

    def questions(self, count: int) -> list[str]:
        """Questions that stand at no article: two halves of the sources' own, a word invented."""
        made: list[str] = []
        while len(made) < count:
            place = self._draw(len(self._sources))
            other = self._other(place)
            first = self._question(self._sources[place], self._invent(place, 1)).split()
            second = self._question(self._sources[other], []).split()
            made.append(" ".join(first[: max(4, len(first) // 2)] + second[len(second) // 2 :]))
        return made

    def _text(self, place: int, length: int) -> tuple[str, list[str]]:
        """Sentences up to ``length`` words, and the words invented for them."""
        found: list[str] = []
        own = place
        while len(found) < length:
            sentences = self._split[own]
            start = self._draw(len(sentences))
            for sentence in sentences[start : start + 2]:
                found += sentence.split()
            own = self._other(place)
        found = found[:length]
        invented = self._invent(place, max(1, round(len(found) * _REPLACED)))
        for at, word in zip(
            self._rng.integers(0, len(found), len(invented)), invented, strict=True
        ):
            found[int(at)] = word
        return " ".join(found), invented

    def _question(self, source: Source, invented: Sequence[str]) -> str:
        own = source.questions or (source.title,) * bool(source.title) or (source.text[:80],)
        return self._name(own[self._draw(len(own))], invented)

    def _name(self, text: str, invented: Sequence[str]) -> str:
        if not invented or self._rng.random() >= _NAMED:
            return text
        found = text.split()
        found.insert(self._draw(len(found) + 1), invented[self._draw(len(invented))])
        return " ".join(found)

    def _other(self, place: int) -> int:
        alike = self._alike[self._sources[place].language]
        return alike[self._draw(len(alike))]

    def _draw(self, below: int) -> int:
        return int(self._rng.random() * below)

    def _invent(self, place: int, count: int) -> list[str]:
        """Words of the language by Zipf's law: the rank is log-uniform."""
        ranks = np.exp(self._rng.random(count) * self._log_ranks).astype(np.int64)
        letters = _SYLLABLES["ru" if self._sources[place].language == "ru" else "en"]
        return [_spelled(int(rank), letters) for rank in ranks]

    @cached_property
    def _log_ranks(self) -> float:
        return float(np.log(_INVENTED))


def _spelled(rank: int, letters: str) -> str:
    syllables = [letters[at : at + 2] for at in range(0, len(letters), 2)]
    parts = [syllables[rank % 7], syllables[7 + rank % 13]]
    while rank:
        rank, digit = divmod(rank, len(syllables))
        parts.append(syllables[digit])
    return "".join(parts)
