"""Passages with the questions that were asked for them, searched by shared terms.

Three lexical indexes over the passages (stems, character n-grams, pairs of stems) and two over
their past questions. Passages and questions are rows; a removed row scores 0 and is not reused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native
from index.forward import Closeness, ForwardIndex, Others
from index.lexical import LexicalIndex
from index.openings import OpeningIndex, Openness
from index.postings import Query, count_terms
from index.scoring import add_scaled, best_of_groups, vote

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# The least that a ranker's best counts for: below it are likenesses of a few letters.
FLOORS: Mapping[str, float] = MappingProxyType({
    "past": 0.25, "char_head": 0.011, "char_opening": 0.1, "char_coverage": 0.1,
})  # fmt: skip
_NEIGHBOURS = 10  # past questions that vote
_MOST_PAST = 5.0  # weight of past questions in the fixed sum where each passage has many
_TABLES: Mapping[str, type[LexicalIndex | ForwardIndex | OpeningIndex]] = MappingProxyType({
    "stem": LexicalIndex, "char": LexicalIndex, "pair": LexicalIndex,
    "past_stem": LexicalIndex, "past_char": LexicalIndex,
    "forward": ForwardIndex, "openings": OpeningIndex,
})  # fmt: skip


class TermSet(Protocol):
    """Term ids of one text, with repeats."""

    @property
    def stems(self) -> Ids:
        """Stems."""

    @property
    def chars(self) -> Ids:
        """Character n-grams."""

    @property
    def pairs(self) -> Ids:
        """Unordered pairs of stems."""


class PassageScores(msgspec.Struct, frozen=True):
    """Scores of every passage row for one question, shape ``(rows,)`` each.

    Attributes:
        stem: BM25 of stems.
        char: BM25 of character n-grams.
        pair: BM25 of pairs of stems.
        past: likeness of the nearest past question, 0..1.
        vote: share of the ten nearest past questions, weighted by likeness, 0..1.
        asked: likeness of every question row, 0..1, shape ``(question rows,)``.
        words: fixed sum of the first three, each divided by its best.
        total: fixed sum with past questions.
        familiar: share of the question's stems that any passage or past question holds, 0..1; one
            number.
        query: the question's stems as the passages know them.
        spelling: its character n-grams as the passages know them.
    """

    stem: Floats
    char: Floats
    pair: Floats
    past: Floats
    vote: Floats
    asked: Floats
    words: Floats
    total: Floats
    familiar: float
    query: Query
    spelling: Query


class PassageIndex:
    """Passages and their past questions; additions and removals are seen by the next search."""

    def __init__(self) -> None:
        self._stem = LexicalIndex()
        self._char = LexicalIndex()
        self._pair = LexicalIndex(k1=0.6, b=0.5)
        self._forward = ForwardIndex()
        self._openings = OpeningIndex()
        self._past_stem = LexicalIndex("cosine")
        self._past_char = LexicalIndex("cosine")
        self._owner = np.empty(0, np.int64)  # passage row, by question row
        self._asked = np.empty(0, np.int64)  # number of past questions, by passage row
        self._count()
        self._starts = np.zeros(1, np.int64)  # of question rows, by passage row, and the end

    def __len__(self) -> int:
        """Number of living passages."""
        return len(self._stem)

    @property
    def rows(self) -> int:
        """Number of passage rows ever given."""
        return len(self._asked)

    def add(self, bodies: Sequence[TermSet], asked: Sequence[Sequence[TermSet]]) -> Ids:
        """Add passages, each with its past questions, and give their rows."""
        rows = self._stem.add([body.stems for body in bodies])
        self._forward.add([body.stems for body in bodies])
        self._char.add([body.chars for body in bodies])
        self._openings.add([body.chars for body in bodies])
        self._pair.add([body.pairs for body in bodies])
        past = [question for questions in asked for question in questions]
        self._past_stem.add([question.stems for question in past])
        self._past_char.add([question.chars for question in past])
        sizes = np.asarray([len(questions) for questions in asked], np.int64)
        self._owner = np.concatenate([self._owner, np.repeat(rows, sizes)])
        self._asked = np.concatenate([self._asked, sizes])
        self._count()
        self._starts = np.concatenate([self._starts, self._starts[-1] + np.cumsum(sizes)])
        return rows

    def remove(self, row: int) -> None:
        """Forget a passage and its past questions."""
        for table in (self._stem, self._char, self._pair):
            table.remove([row])
        self._forward.remove(row)
        self._openings.remove(row)
        for table in (self._past_stem, self._past_char):
            table.remove(np.arange(self._starts[row], self._starts[row + 1]))
        self._asked[row] = 0
        self._count()

    def to_parts(self) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Everything needed to go on, as plain arrays, one part after the other."""
        for name in _TABLES:
            yield name, getattr(self, f"_{name}").to_arrays()
        yield "passages", {"owner": self._owner, "asked": self._asked, "starts": self._starts}

    @classmethod
    def from_parts(cls, parts: Mapping[str, Mapping[str, NDArray[Any]]]) -> PassageIndex:
        """The index that ``to_parts`` described; arrays are not copied, and may be written to.

        Raises:
            ValueError: the parts do not fit each other.
            KeyError: one is missing.
        """
        index, own = cls(), parts["passages"]
        for name, kind in _TABLES.items():
            setattr(index, f"_{name}", kind.from_arrays(parts[name]))
        index._owner, index._asked, index._starts = (
            own[name].astype(np.int64, copy=False) for name in ("owner", "asked", "starts")
        )
        index._count()
        lengths = {table.rows for table in (index._stem, index._char, index._pair)}
        asked = {table.rows for table in (index._past_stem, index._past_char)}
        if lengths != {index.rows} or asked != {len(index._owner)}:
            raise ValueError("passages, questions and their terms do not fit each other")
        return index

    def questions(self, rows: Ids) -> tuple[Ids, Ids]:
        """Question rows of some passages end to end, and how many each has."""
        starts = self._starts[rows]
        sizes = self._starts[rows + 1] - starts
        shift = starts - np.cumsum(sizes) + sizes
        return np.repeat(shift, sizes) + np.arange(int(sizes.sum())), sizes

    def owners(self, questions: Ids) -> Ids:
        """Passage rows of question rows."""
        return np.asarray(self._owner[questions], np.int64)

    def popularity(self, rows: Ids) -> Floats:
        """Number of past questions on a logarithmic scale, 1 for the passage with most."""
        return np.asarray(np.log1p(self._asked[rows]) / np.log1p(max(self._most, 1)), np.float32)

    def idf(self, stems: Ids) -> NDArray[np.float64]:
        """How telling stems are among the passages."""
        return self._stem.idf(stems)

    def fixed_weights(self) -> dict[str, float]:
        """Weights of the ranking that needs no training, by score.

        Past questions weigh more the more of them a passage has: from twice a lexical ranker where
        each has one to five times.
        """
        mean = self._sum / max(len(self), 1)
        return {"stem": 1.0, "char": 1.0, "pair": 0.3, "past": min(1.0 + mean, _MOST_PAST)}

    def look(self, scores: PassageScores, rows: Ids, stems: Ids) -> Closeness:
        """How a question stands in some passages.

        Args:
            scores: of the question.
            rows: the passages.
            stems: of the question, in the order of its text.
        """
        query = scores.query
        idf = query.idf[np.searchsorted(query.terms, stems)]
        return self._forward.look(rows, stems, idf)

    def replaced(
        self, scores: PassageScores, rows: Ids, synonyms: Mapping[int, tuple[int, ...]]
    ) -> Floats:
        """Share of a question's mass that passages say by synonyms alone, 0..1; shape ``(rows,)``.

        A synonym counts as much as the word, or less where it is the more common one.
        """
        query = scores.query
        pairs = [
            (place, other)
            for place, term in enumerate(query.terms.tolist())
            for other in synonyms.get(term, ())
        ]
        if not pairs:
            return np.zeros(len(rows), np.float32)
        place, terms = np.asarray(pairs, np.int64).T
        mass = np.minimum(self._stem.idf(terms), query.idf[place])
        return self._forward.replaced(rows, query, Others(place, terms, mass))

    def look_at_openings(self, scores: PassageScores, rows: Ids) -> Openness:
        """How the beginnings of some passages are spelled beside a question."""
        return self._openings.look(rows, scores.spelling.terms, scores.spelling.idf)

    def score(self, terms: TermSet) -> PassageScores:
        """What every ranker says of every passage."""
        return self.score_many([terms])[0]

    def score_many(self, asked: Sequence[TermSet]) -> list[PassageScores]:
        """``score`` of each question; rank by rank, so that each finds its own in the cache."""
        stems = [count_terms(terms.stems) for terms in asked]
        chars = [count_terms(terms.chars) for terms in asked]
        pairs = [count_terms(terms.pairs) for terms in asked]
        questions = np.zeros((len(asked), len(self._owner)), np.float32)
        known = [self._past_stem.ask(*one, 0.5) for one in zip(stems, questions, strict=True)]
        for counted, row in zip(chars, questions, strict=True):
            self._past_char.ask(counted, row, 0.5)
        stem, char, pair = np.zeros((3, len(asked), self.rows), np.float32)
        said = [self._stem.ask(*one) for one in zip(stems, stem, strict=True)]
        spelled = [self._char.ask(*one) for one in zip(chars, char, strict=True)]
        for counted, row in zip(pairs, pair, strict=True):
            self._pair.ask(counted, row)
        return [
            self._together(
                row, known[i], said[i], spelled[i], stem=stem[i], char=char[i], pair=pair[i]
            )
            for i, row in enumerate(questions)
        ]

    def _together(
        self, asked: Floats, past_query: Query, query: Query, spelling: Query, **scores: Floats
    ) -> PassageScores:
        """All that the rankers said of one question."""
        past = best_of_groups(asked, self._starts)
        words, total = self._sums(past=past, **scores)
        familiar = query.df + past_query.df > 0
        return PassageScores(
            **scores,
            past=past,
            vote=vote(asked, past, self._starts, _NEIGHBOURS),
            asked=asked,
            words=words,
            total=total,
            familiar=float(familiar.mean()) if len(familiar) else 0.0,
            query=query,
            spelling=spelling,
        )

    def _sums(self, **scores: Floats) -> tuple[Floats, Floats]:
        """The fixed sum without past questions and with them."""
        weights = self.fixed_weights()
        words = np.zeros(self.rows, np.float32)
        for name in ("stem", "char", "pair"):
            add_scaled(words, scores[name], weights[name], FLOORS.get(name, 1e-9))
        total = words.copy()
        add_scaled(total, scores["past"], weights["past"], FLOORS["past"])
        return words, total

    def nearest(self, asked: Floats, rows: Ids) -> Ids:
        """Question row of the nearest past question of some passages, -1 for none."""
        if native.library is not None:
            found = np.empty(len(rows), np.int64)
            native.library.nearest(asked, self._starts, rows, found)
            return found
        every, sizes = self.questions(rows)
        found = np.full(len(rows), -1, np.int64)
        some = np.flatnonzero(sizes)
        if not len(some):
            return found
        sizes = sizes[some]
        likeness = asked[every]
        best = np.maximum.reduceat(likeness, np.cumsum(sizes) - sizes)
        owner = np.repeat(np.arange(len(some)), sizes)
        hits = np.flatnonzero((likeness == best[owner]) & (likeness > 0))
        # Of equal ones the first: the last assignment holds.
        found[some[owner[hits[::-1]]]] = every[hits[::-1]]
        return found

    def _count(self) -> None:
        self._most = int(self._asked.max(initial=0))
        self._sum = int(self._asked.sum())
