"""Which articles may answer a question, and what each ranker says of them.

The union of lexical rankers over the articles (stems, character n-grams, pairs of stems), the past
questions of each article, and the trained dual encoder where there is one. The same code builds
features in the server and in training. Ranking and probabilities are in ``bot.answering``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.dense import NEAREST_ANSWERS, DenseIndex
from bot.entries import (
    Candidates,
    Entries,
    Entry,
    KnowledgeItem,
    asked_of,
    full_text,
    record_of,
)
from bot.stored_rows import StoredRows
from index.ann import Device, open_index
from index.passages import FLOORS, PassageIndex, PassageScores
from index.ragged import RaggedRows
from index.selection import best_rows, contains
from nlp.correction import contrast
from nlp.encoders import Encoder
from nlp.function_words import FUNCTION_WORDS
from nlp.synonyms import synonyms
from nlp.terms import MAX_CHARS, Terms, read_terms, word_stems
from nlp.text import words

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

RANKERS = (
    "stem",
    "char",
    "pair",
    "past",
    "vote",
    "dense",
    "dense_past",
    "translation",
    "flat",
    "opening",
    "window",
    "adjacent",
    "char_head",
    "char_opening",
    "char_coverage",
)
# Beside "how good among these candidates", what tells how good at all.
LEVELS = (
    "past_level",
    "dense_level",
    "dense_past_level",
    "coverage",
    "popular",
    "familiar",
    "category",
    "length",
    "synonyms",
)
FEATURES: tuple[str, ...] = (
    *(name for ranker in RANKERS for name in (ranker, f"{ranker}_lead")),
    *LEVELS,
)
_FLOORS = tuple(FLOORS.get(name, 0.0) for name in RANKERS)
# What adds to the plain sum without training: a linear correction fitted on the made-up company
# that the product ships with (its customers' questions and its titles, put to its articles with
# and without titles and past questions), as one part to three of the sum.
_LEARNT: Mapping[str, float] = MappingProxyType({
    "stem": 0.07, "stem_lead": 0.11, "char": 0.39, "char_lead": 0.4,
    "pair": 0.04, "pair_lead": 0.06,
    "past": 0.11, "vote": 0.03, "vote_lead": 0.02, "past_level": 0.61,
    "flat": 0.04, "flat_lead": 0.08, "opening": 0.08, "opening_lead": 0.08, "window_lead": 0.04,
    "adjacent": 0.08, "coverage": 0.49, "length": -0.33,
})  # fmt: skip
_BEGINNING = tuple(
    f"char_{place}{kind}" for place in ("head", "opening", "coverage") for kind in ("", "_lead")
)
# Weight of how the beginning is spelled, where there are no past questions; chosen on the
# development questions of nine sets (docs/log.md).
_SPELLED = 0.3
# Weight of what an article says by another word; chosen likewise, on five sets.
_SYNONYMS = 4.0
_MOST_FOUND = 30  # candidates by the fixed sum
_COMPACT_FROM = 256  # rows, before a mostly dead index is rebuilt
_AT_ONCE = 10_000  # articles whose terms are in memory together
_ARTICLE_CHARS = 20_000  # of an article, read by the lexical rankers


class CandidateIndex:
    """Finds candidate articles; additions and removals are seen by the next search.

    Args:
        encoder: trained towers, or None for lexical search alone.
        device: ``auto``, ``cpu`` or ``gpu``, for the dense index.
    """

    def __init__(self, encoder: Encoder | None = None, device: str = "auto") -> None:
        self._encoder = encoder
        self._requested = device
        self.device = Device("cpu", "lexical search only: no encoder is trained")
        self._reset()

    def __len__(self) -> int:
        """Number of articles that can be found."""
        return len(self._row_of)

    def entry(self, answer_id: int) -> Entry | None:
        """The article as it can be found, or None."""
        row = self._row_of.get(answer_id)
        return None if row is None else self._entries[row]

    def item(self, answer_id: int) -> KnowledgeItem | None:
        """The article as it was put, or None."""
        entry = self.entry(answer_id)
        return None if entry is None else entry.item

    def items(self) -> list[KnowledgeItem]:
        """All articles that can be found."""
        return [record.item for record in self._entries.records()]

    def fixed_weights(self) -> dict[str, float]:
        """Weights of the ranking that needs no training, by feature."""
        plain = self._passages.fixed_weights()
        # The more past questions say how an article is asked for, the less its beginning tells.
        spelled = _SPELLED / plain["past"]
        weights = {**dict.fromkeys(_BEGINNING, spelled), "synonyms": _SYNONYMS}
        for part in (plain, _LEARNT):
            for name, weight in part.items():
                weights[name] = weights.get(name, 0.0) + weight
        return weights

    def shared_words(
        self, text: str, answer_ids: Sequence[int], limit: int = 6
    ) -> list[tuple[str, ...]]:
        """Words of the question that articles or their past questions hold, telling ones first.

        A word that stands in half of the articles tells nothing and is left out, as are function
        words, whatever their share.
        """
        said = _telling(text[:MAX_CHARS])
        if not said or not answer_ids:
            return [()] * len(answer_ids)
        idf = self._passages.idf(np.asarray([ids[0] for _, ids in said], np.int64)).tolist()
        common = np.log(2.0)  # idf of a term in half of the documents
        order = sorted((i for i in range(len(said)) if idf[i] > common), key=lambda i: -idf[i])
        asked = [said[i] for i in order]
        stems = np.asarray([one for _, ids in asked for one in ids], np.uint32)
        owners = [word for word, ids in asked for _ in ids]
        found: list[tuple[str, ...]] = []
        for entry in map(self.entry, answer_ids):
            if entry is None:
                found.append(())
                continue
            held = zip(owners, contains(entry.stems, stems), strict=True)
            lacking = {word for word, there in held if not there}
            found.append(tuple([word for word, _ in asked if word not in lacking][:limit]))
        return found

    def put(self, items: Iterable[KnowledgeItem]) -> None:
        """Add articles; one with a known id replaces the old one."""
        fresh = {item.answer_id: item for item in items}
        for answer_id in fresh:
            self.remove(answer_id)
        if len(self._entries) > _COMPACT_FROM and len(self._row_of) * 2 < len(self._entries):
            fresh = {item.answer_id: item for item in self.items()} | fresh
            self._reset()
        items = list(fresh.values())
        for start in range(0, len(items), _AT_ONCE):
            self._append(items[start : start + _AT_ONCE])

    def remove(self, answer_id: int) -> None:
        """Forget an article and its past questions at once; an unknown id is passed over."""
        row = self._row_of.pop(answer_id, None)
        if row is None:
            return
        self._entries.clear(row)
        rows = np.asarray([row], np.int64)
        for question in self._passages.questions(rows)[0].tolist():
            self._texts.clear(question)
        self._passages.remove(row)
        if self._dense is not None:
            self._dense.answers.remove(rows)
            self._dense.questions.remove(self._passages.questions(rows)[0])

    def to_parts(self) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
        """Everything but the encoder and what was removed, as plain arrays, part after part."""
        answers = np.full(self._passages.rows, -1, np.int64)
        answers[list(self._row_of.values())] = list(self._row_of)
        yield "answers", {"ids": answers}
        yield from self._passages.to_parts()
        if self._dense is not None:
            yield from self._dense.to_parts()
        yield "entries", self._entries.to_arrays()
        yield "texts", self._texts.to_arrays()
        yield "translated", self._translated.to_arrays()

    @classmethod
    def from_parts(
        cls,
        parts: Mapping[str, Mapping[str, NDArray[Any]]],
        encoder: Encoder | None = None,
        device: str = "auto",
    ) -> CandidateIndex:
        """The index that ``to_parts`` described; arrays are not copied, and may be written to.

        Raises:
            ValueError: the parts do not fit each other, or are none of this encoder.
            KeyError: one is missing.
        """
        index = cls(None, device)
        index._passages = PassageIndex.from_parts(parts)
        ids = parts["answers"]["ids"].tolist()
        index._row_of = {answer_id: row for row, answer_id in enumerate(ids) if answer_id >= 0}
        index._entries.load(parts["entries"])
        index._texts.load(parts["texts"])
        index._translated = RaggedRows.from_arrays(parts["translated"])
        rows, living = index._passages.rows, len(index._passages)
        lengths = rows, living, len(parts["passages"]["owner"])
        if (len(index._entries), len(index), len(index._texts)) != lengths:
            raise ValueError("passages and their texts do not fit each other")
        if encoder is not None:
            index._encoder = encoder
            index._dense, index.device = DenseIndex.from_parts(parts, encoder, device)
            if len(index._dense.answers) != len(index):
                raise ValueError("passages and their vectors do not fit each other")
        return index

    def search(
        self,
        text: str,
        top: int = _MOST_FOUND,
        *,
        category_proba: Mapping[str, float] | None = None,
        among: Iterable[int] | None = None,
    ) -> Candidates:
        """Candidates for a question.

        Args:
            text: the question; its first 2,000 characters are read.
            top: most candidates by the fixed sum; the dense rankers may add to them.
            category_proba: probability of each category for this question, for the feature
                ``category``.
            among: the only articles to look at, all by default. Statistics of terms stay those of
                the whole knowledge base.
        """
        field = None if among is None else self._rows(among)
        return self._found([text], [category_proba or {}], max(top, 0), field)[0]

    def search_many(
        self, texts: Sequence[str], category_probas: Sequence[Mapping[str, float]]
    ) -> list[Candidates]:
        """``search`` for each question: stage by stage, so that each finds its own in the cache.

        Args:
            texts: the questions.
            category_probas: of each question, probabilities of categories, or none.
        """
        return self._found(texts, category_probas, _MOST_FOUND, None)

    def _found(
        self,
        texts: Sequence[str],
        category_probas: Sequence[Mapping[str, float]],
        top: int,
        field: Ids | None,
    ) -> list[Candidates]:
        none = Candidates((), np.zeros((0, len(FEATURES)), np.float32), (), self._texts)
        found = [none] * len(texts)
        read = [read_terms(text, limit=MAX_CHARS) for text in texts]
        places = [place for place, terms in enumerate(read) if len(terms.stems) and self._row_of]
        asked = [read[place] for place in places]
        scored = self._passages.score_many(asked) if asked else []
        vectors = [self._encode(texts[place][:MAX_CHARS]) for place in places]
        rows = [self._choose(*one, top, field) for one in zip(scored, vectors, strict=True)]
        features = list(map(self._features, rows, scored, vectors, asked))
        for i, place in enumerate(places):
            entries = self._entries.take(rows[i])
            if known := category_probas[place]:
                agreement = [known.get(entry.category, 0.0) for entry in entries]
                features[i][:, FEATURES.index("category")] = agreement
            nearest = self._passages.nearest(scored[i].asked, rows[i])
            found[place] = Candidates(
                tuple(entries), features[i], tuple(nearest.tolist()), self._texts
            )
        return found

    def _rows(self, answer_ids: Iterable[int]) -> Ids:
        known = {row for one in answer_ids if (row := self._row_of.get(one)) is not None}
        return np.asarray(sorted(known), np.int64)

    def _reset(self) -> None:
        self._passages = PassageIndex()
        self._entries = Entries()  # by passage row
        self._row_of: dict[int, int] = {}
        self._texts = StoredRows(str.encode, bytes.decode)  # by question row
        self._translated = RaggedRows(np.int32)  # terms in the translation table, by passage row
        self._dense: DenseIndex | None = None
        if self._encoder is not None:
            answers, self.device = open_index(self._encoder.dimension, self._requested)
            questions, _ = open_index(self._encoder.dimension, self._requested)
            self._dense = DenseIndex(self._encoder, answers, questions)

    def _encode(self, question: str) -> Floats | None:
        """Encoding ``(1, d)``; None without an encoder or without a word that it knows."""
        if self._encoder is None:
            return None
        vector = self._encoder.encode_questions([question])
        return vector if vector.any() else None

    def _append(self, items: Sequence[KnowledgeItem]) -> None:
        bodies = [read_terms(full_text(item), limit=_ARTICLE_CHARS) for item in items]
        asked = [asked_of(item) for item in items]
        past = [[read_terms(text, limit=MAX_CHARS) for text in texts] for texts in asked]
        rows = self._passages.add(bodies, past)
        self._texts.extend([text for texts in asked for text in texts])
        records = []
        for item, body, questions, row in zip(items, bodies, past, rows.tolist(), strict=True):
            self._row_of[item.answer_id] = row
            stems = (body.stems, *(question.stems for question in questions))
            records.append(record_of(item, stems))
        self._entries.extend(records)
        if self._encoder is not None and self._encoder.translation is not None:
            table = self._encoder.translation
            self._translated.add([table.places(body.stems) for body in bodies])
        if self._dense is not None:
            texts = [text for texts in asked for text in texts]
            full = [full_text(item) for item in items]
            self._dense.add(rows, full, self._passages.questions(rows)[0], texts)

    def _choose(
        self, scores: PassageScores, vector: Floats | None, top: int, field: Ids | None
    ) -> Ids:
        """Rows of the candidates: the best by the fixed sum, then finds of single rankers."""
        # Past questions of other articles may mislead the sum; words alone do not know them.
        order, *more = (_best(each, top, field) for each in (scores.total, scores.words))
        if vector is not None and self._dense is not None:
            if field is None:
                more += self._dense.finds(vector, self._passages)
            else:
                likeness = self._dense.likeness(vector[0], field, self._passages)
                more += [field[_best(column, NEAREST_ANSWERS, None)] for column in likeness.T]
        found = sorted(set(np.concatenate(more).tolist()).difference(order.tolist()))
        return np.concatenate([order, np.asarray(found[: 2 * top], np.int64)])

    def _features(
        self, rows: Ids, scores: PassageScores, vector: Floats | None, terms: Terms
    ) -> Floats:
        look = self._passages.look(scores, rows, terms.stems)
        spelled = self._passages.look_at_openings(scores, rows)
        ranked = np.zeros((len(RANKERS), len(rows)), np.float32)
        for row, name in enumerate(("stem", "char", "pair", "past", "vote")):
            getattr(scores, name).take(rows, out=ranked[row])
        if vector is not None and self._dense is not None:
            ranked[5:7] = self._dense.likeness(vector[0], rows, self._passages).T
        if self._encoder is not None and self._encoder.translation is not None:
            table = self._encoder.translation
            ranked[7] = table.scores(table.places(terms.stems), *self._translated.take(rows))
        ranked[8:12] = look.flat, look.opening, look.window, look.adjacent
        ranked[12:] = spelled.head, spelled.opening, spelled.coverage
        features = np.zeros((len(rows), len(FEATURES)), np.float32)
        contrast(ranked.T, _FLOORS, out=features)
        levels = features[:, -len(LEVELS) :]
        levels[:, 0] = ranked[3]
        levels[:, 1:3] = ranked[5:7].T
        levels[:, 3] = look.coverage
        levels[:, 4] = self._passages.popularity(rows)
        levels[:, 5] = scores.familiar
        levels[:, 7] = look.length
        levels[:, 8] = self._passages.replaced(scores, rows, synonyms())
        return features


def _best(total: Floats, top: int, field: Ids | None) -> Ids:
    """Rows of the highest sums, best first: of all that share something, or of a given field."""
    if field is None:
        return best_rows(total, top)
    return field[np.lexsort((field, -total[field]))][:top]


@lru_cache(maxsize=64)
def _telling(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Distinct words with their stems, without function words and single letters."""
    return tuple(
        (word, ids)
        for word in dict.fromkeys(words(text))
        if len(word) > 1 and word not in FUNCTION_WORDS and (ids := word_stems(word))
    )
