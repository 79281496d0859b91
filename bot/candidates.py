"""Which articles may answer a question, and what each ranker says of them.

The union of lexical rankers over the articles (stems, character n-grams, pairs of stems), the past
questions of each article, and the trained dual encoder where there is one. The same code builds
features in the server and in training. Ranking and probabilities are in ``bot.answering``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from index.ann import Device, open_index
from index.lexical import LexicalIndex
from index.vectors import VectorIndex
from nlp.correction import contrast
from nlp.ranker import DualEncoder
from nlp.terms import MAX_CHARS, Terms, read_terms, word_stems
from nlp.text import normalise, words

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

RANKERS = ("stem", "char", "pair", "past", "vote", "dense", "dense_past", "translation")
# Beside "how good among these candidates", what tells how good at all.
LEVELS = ("past_level", "dense_level", "dense_past_level", "coverage", "popular", "category")
FEATURES: tuple[str, ...] = (
    *(name for ranker in RANKERS for name in (ranker, f"{ranker}_lead")),
    *LEVELS,
)
_MOST_PAST = 5.0  # weight of past questions in the fixed sum where each article has many
_DENSE_ANSWERS = 15
_DENSE_QUESTIONS = 30
_NEIGHBOURS = 10  # past questions that vote
_ARTICLE_CHARS = 20_000  # of an article, read by the lexical rankers


@dataclass(frozen=True, slots=True)
class KnowledgeItem:
    """An article as the ranker sees it; ``questions`` are all its known past questions."""

    answer_id: int
    text: str
    title: str = ""
    category: str = ""
    language: str = ""
    questions: tuple[str, ...] = ()
    twin_id: int | None = None
    accepted: int = 0
    shown: int = 0


@dataclass(frozen=True, slots=True)
class Candidates:
    """Articles worth ranking for one question, best by the fixed sum first.

    Shapes: ``features`` is ``(n, len(FEATURES))``; ``matched_questions`` holds the nearest past
    question of each article or None.
    """

    answer_ids: tuple[int, ...]
    features: Floats
    matched_questions: tuple[str | None, ...]


@dataclass(slots=True)
class _Entry:
    item: KnowledgeItem
    key: str  # the text in normal form
    stems: frozenset[int]
    questions: Ids  # rows of the past questions
    places: Ids  # terms in the translation table


@dataclass(frozen=True, slots=True)
class _Scores:
    """Scores of every article row for one question."""

    stem: Floats
    char: Floats
    pair: Floats
    past: Floats
    vote: Floats
    nearest: Ids  # row of the nearest past question, -1 for none
    coverage: Floats

    def weighted(self, weights: Mapping[str, float]) -> Floats:
        """Sum of scores, each divided by its best."""
        total = np.zeros(len(self.stem), np.float32)
        for name, weight in weights.items():
            scores = getattr(self, name)
            total += weight * scores / max(float(scores.max(initial=0.0)), 1e-9)
        return total


@dataclass(slots=True)
class _Tables:
    """Everything that is rebuilt when too many rows are dead."""

    stem: LexicalIndex = field(default_factory=LexicalIndex)
    char: LexicalIndex = field(default_factory=LexicalIndex)
    pair: LexicalIndex = field(default_factory=lambda: LexicalIndex(k1=0.6, b=0.5))
    past_stem: LexicalIndex = field(default_factory=lambda: LexicalIndex("cosine"))
    past_char: LexicalIndex = field(default_factory=lambda: LexicalIndex("cosine"))
    entries: list[_Entry | None] = field(default_factory=list)  # by article row
    row_of: dict[int, int] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)  # by question row
    owner: Ids = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # article row, by question row
    asked: Ids = field(
        default_factory=lambda: np.empty(0, np.int64)
    )  # past questions, by article row


class CandidateIndex:
    """Finds candidate articles; additions and removals are seen by the next search.

    Args:
        encoder: trained towers, or None for lexical search alone.
        device: ``auto``, ``cpu`` or ``gpu``, for the dense index.
    """

    def __init__(self, encoder: DualEncoder | None = None, device: str = "auto") -> None:
        self._encoder = encoder
        self._requested = device
        self._tables = _Tables()
        self._answers: VectorIndex | None = None
        self._asked: VectorIndex | None = None
        self.device = Device("cpu", "lexical search only: no encoder is trained")
        self._open_dense()

    def __len__(self) -> int:
        """Number of articles that can be found."""
        return len(self._tables.row_of)

    def item(self, answer_id: int) -> KnowledgeItem | None:
        """The article as it was put, or None."""
        entry = self._entry(answer_id)
        return None if entry is None else entry.item

    def items(self) -> list[KnowledgeItem]:
        """All articles that can be found."""
        return [entry.item for entry in self._tables.entries if entry is not None]

    def text_key(self, answer_id: int) -> str:
        """The article's text in normal form: equal keys are the same answer to a reader."""
        entry = self._entry(answer_id)
        return "" if entry is None else entry.key

    def fixed_weights(self) -> dict[str, float]:
        """Weights of the ranking that needs no training, by feature.

        Past questions weigh more the more of them an article has: from twice a lexical ranker with
        titles alone to five times.
        """
        tables = self._tables
        mean = float(tables.asked.sum()) / max(len(tables.row_of), 1)
        past = min(1.0 + mean, _MOST_PAST)
        return {"stem": 1.0, "char": 1.0, "pair": 0.3, "past": past}

    def shared_words(self, text: str, answer_id: int, limit: int = 6) -> tuple[str, ...]:
        """Words of the question that an article or its past questions hold, telling ones first.

        A word that stands in half of the articles tells nothing and is left out.
        """
        entry = self._entry(answer_id)
        if entry is None:
            return ()
        shared = [
            (word, ids)
            for word in dict.fromkeys(words(text[:MAX_CHARS]))
            if len(word) > 1 and (ids := word_stems(word)) and ids <= entry.stems
        ]
        if not shared:
            return ()
        idf = self._tables.stem.idf(np.asarray([min(ids) for _, ids in shared], np.int64))
        common = np.log(2.0)  # idf of a term in half of the documents
        order = sorted(range(len(shared)), key=lambda i: -float(idf[i]))
        return tuple(shared[i][0] for i in order if idf[i] > common)[:limit]

    def put(self, items: Iterable[KnowledgeItem]) -> None:
        """Add articles; one with a known id replaces the old one."""
        fresh = {item.answer_id: item for item in items}
        for answer_id in fresh:
            self.remove(answer_id)
        if not fresh:
            return
        tables = self._tables
        if len(tables.entries) > 256 and len(tables.row_of) * 2 < len(tables.entries):
            fresh = {item.answer_id: item for item in self.items()} | fresh
            self._tables = _Tables()
            self._open_dense()
        self._append(list(fresh.values()))

    def remove(self, answer_id: int) -> None:
        """Forget an article and its past questions at once; an unknown id is passed over."""
        tables = self._tables
        row = tables.row_of.pop(answer_id, None)
        if row is None:
            return
        entry = tables.entries[row]
        tables.entries[row] = None
        tables.asked[row] = 0
        for table in (tables.stem, tables.char, tables.pair):
            table.remove([row])
        gone = entry.questions if entry is not None else np.empty(0, np.int64)
        tables.past_stem.remove(gone)
        tables.past_char.remove(gone)
        if self._answers is not None and self._asked is not None:
            self._answers.remove(np.asarray([row], np.int64))
            self._asked.remove(gone)

    def search(
        self, text: str, top: int = 30, *, category_proba: Mapping[str, float] | None = None
    ) -> Candidates:
        """Candidates for a question.

        Args:
            text: the question; its first 2,000 characters are read.
            top: most candidates by the fixed sum; the dense rankers may add to them.
            category_proba: probability of each category for this question, for the feature
                ``category``.
        """
        terms = read_terms(text, limit=MAX_CHARS)
        tables = self._tables
        if not len(terms.stems) or not tables.row_of:
            return Candidates((), np.zeros((0, len(FEATURES)), np.float32), ())
        scores = self._score(terms)
        vector = None
        if self._encoder is not None:
            vector = self._encoder.encode_questions([text[:MAX_CHARS]])
        rows = self._choose(scores, vector, top)
        features = self._features(rows, scores, vector, terms, category_proba or {})
        entries = [tables.entries[row] for row in rows.tolist()]
        nearest = scores.nearest[rows].tolist()
        return Candidates(
            tuple(entry.item.answer_id for entry in entries if entry is not None),
            features,
            tuple(tables.questions[row] if row >= 0 else None for row in nearest),
        )

    def _entry(self, answer_id: int) -> _Entry | None:
        row = self._tables.row_of.get(answer_id)
        return None if row is None else self._tables.entries[row]

    def _open_dense(self) -> None:
        if self._encoder is None:
            return
        dimension = self._encoder.dimension
        self._answers, self.device = open_index(dimension, self._requested)
        self._asked, _ = open_index(dimension, self._requested)

    def _append(self, items: Sequence[KnowledgeItem]) -> None:
        tables = self._tables
        bodies = [read_terms(f"{i.title}\n{i.text}", limit=_ARTICLE_CHARS) for i in items]
        asked = [
            list(dict.fromkeys(q for q in (i.title, *i.questions) if q.strip())) for i in items
        ]
        texts = [question for questions in asked for question in questions]
        past = [read_terms(question, limit=MAX_CHARS) for question in texts]
        rows = tables.stem.add([body.stems for body in bodies])
        tables.char.add([body.chars for body in bodies])
        tables.pair.add([body.pairs for body in bodies])
        past_rows = tables.past_stem.add([question.stems for question in past])
        tables.past_char.add([question.chars for question in past])
        tables.questions += texts
        sizes = [len(questions) for questions in asked]
        tables.owner = np.concatenate([tables.owner, np.repeat(rows, sizes)])
        tables.asked = np.concatenate([tables.asked, np.asarray(sizes, np.int64)])
        ends = np.cumsum(sizes)
        for position, item in enumerate(items):
            span = slice(ends[position] - sizes[position], ends[position])
            own = [bodies[position].stems, *(question.stems for question in past[span])]
            stems = np.unique(np.concatenate(own))
            tables.row_of[item.answer_id] = int(rows[position])
            tables.entries.append(
                _Entry(
                    item,
                    normalise(item.text),
                    frozenset(stems.tolist()),
                    past_rows[span],
                    self._places(bodies[position].stems),
                )
            )
        if self._encoder is not None and self._answers is not None and self._asked is not None:
            full = [f"{i.title}\n{i.text}" for i in items]
            self._answers.add(rows, self._encoder.encode_answers(full))
            if texts:
                self._asked.add(past_rows, self._encoder.encode_questions(texts))

    def _places(self, stems: Ids) -> Ids:
        if self._encoder is None or self._encoder.translation is None:
            return np.empty(0, np.int64)
        return self._encoder.translation.places(stems)

    def _score(self, terms: Terms) -> _Scores:
        tables = self._tables
        asked = 0.5 * (tables.past_stem.scores(terms.stems) + tables.past_char.scores(terms.chars))
        count = len(tables.entries)
        past = np.zeros(count, np.float32)
        np.maximum.at(past, tables.owner, asked)
        nearest = np.full(count, -1, np.int64)
        hits = np.flatnonzero((asked > 0) & (asked == past[tables.owner]))
        nearest[tables.owner[hits]] = hits
        return _Scores(
            stem=tables.stem.scores(terms.stems),
            char=tables.char.scores(terms.chars),
            pair=tables.pair.scores(terms.pairs),
            past=past,
            vote=_vote(asked, tables.owner, count),
            nearest=nearest,
            coverage=tables.stem.coverage(terms.stems),
        )

    def _choose(self, scores: _Scores, vector: Floats | None, top: int) -> Ids:
        """Rows of the candidates, best by the fixed sum first, dense finds after them."""
        total = scores.weighted(self.fixed_weights())
        living = np.flatnonzero(total > 0)
        order = living[np.lexsort((living, -total[living]))][: max(top, 0)]
        if vector is None or self._answers is None or self._asked is None:
            return order
        found = self._answers.search(vector, _DENSE_ANSWERS)[1][0]
        asked = self._asked.search(vector, _DENSE_QUESTIONS)[1][0]
        rows = [found[found >= 0], self._tables.owner[asked[asked >= 0]]]
        more = np.setdiff1d(np.concatenate(rows), order)
        return np.concatenate([order, more[: max(top, 0)]])

    def _features(
        self,
        rows: Ids,
        scores: _Scores,
        vector: Floats | None,
        terms: Terms,
        category_proba: Mapping[str, float],
    ) -> Floats:
        entries = [entry for row in rows.tolist() if (entry := self._tables.entries[row])]
        dense, dense_past = self._dense(rows, entries, vector)
        ranked = np.zeros((len(rows), len(RANKERS)), np.float32)
        for column, name in enumerate(("stem", "char", "pair", "past", "vote")):
            ranked[:, column] = getattr(scores, name)[rows]
        ranked[:, 5] = dense
        ranked[:, 6] = dense_past
        if self._encoder is not None and self._encoder.translation is not None:
            table = self._encoder.translation
            places = table.places(terms.stems)
            ranked[:, 7] = table.scores(places, [entry.places for entry in entries])
        asked = self._tables.asked
        levels = np.zeros((len(rows), len(LEVELS)), np.float32)
        levels[:, 0] = scores.past[rows]
        levels[:, 1] = dense
        levels[:, 2] = dense_past
        levels[:, 3] = scores.coverage[rows]
        levels[:, 4] = np.log1p(asked[rows]) / np.log1p(max(int(asked.max(initial=0)), 1))
        levels[:, 5] = [category_proba.get(entry.item.category, 0.0) for entry in entries]
        return np.concatenate([contrast(ranked), levels], axis=1)

    def _dense(
        self, rows: Ids, entries: Sequence[_Entry], vector: Floats | None
    ) -> tuple[Floats, Floats]:
        """Similarity to each article and to its nearest past question, 0 without an encoder."""
        own = np.zeros(len(rows), np.float32)
        past = np.zeros(len(rows), np.float32)
        if vector is None or self._answers is None or self._asked is None or not len(rows):
            return own, past
        own = self._answers.vectors(rows) @ vector[0]
        sizes = np.asarray([len(entry.questions) for entry in entries])
        if sizes.any():
            asked = np.concatenate([entry.questions for entry in entries])
            similarity = self._asked.vectors(asked) @ vector[0]
            np.maximum.at(past, np.repeat(np.arange(len(rows)), sizes), similarity)
        return own, past


def _questions(item: KnowledgeItem) -> list[str]:
    """Distinct past questions; a title is one of them."""
    return list(dict.fromkeys(text for text in (item.title, *item.questions) if text.strip()))


def _vote(asked: Floats, owner: Ids, count: int) -> Floats:
    """Share of the nearest past questions that belongs to each article, weighted by likeness."""
    take = min(_NEIGHBOURS, len(asked))
    if not take:
        return np.zeros(count, np.float32)
    nearest = np.argpartition(-asked, take - 1)[:take]
    weights = asked[nearest].astype(np.float64) ** 2
    votes = np.bincount(owner[nearest], weights, minlength=count)
    return np.asarray(votes / max(float(weights.sum()), 1e-9), np.float32)
