"""Ranked suggestions for a question, with calibrated confidence and reasons.

Pure computing over a candidate index and the live models: no database, no network, one to three
milliseconds. Which candidates there are and what is measured of them is in ``bot.candidates``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.candidates import FEATURES, CandidateIndex
from bot.domain import CategoryGuess, Reasons, Suggestion, Suggestions
from bot.entries import Candidates, Entry
from nlp.correction import Correction, weighted_sum
from nlp.terms import MAX_CHARS
from nlp.text import guess_language

Floats = NDArray[np.float32]

_SHOWN_CATEGORIES = 5
_LEAST_CATEGORY = 0.01
_MATCHED_FROM = 0.2  # likeness below which a past question is no reason
# Without a trained correction only a past question in nearly the same words makes sure.
_NEAR_IDENTICAL = 0.85
_COLD_MOST = 0.25


class Reading(Protocol):
    """What a classifier says of one text."""

    @property
    def proba(self) -> Floats:
        """Calibrated probability of each label."""

    @property
    def foreign(self) -> bool:
        """Probably not a question for this desk."""

    @property
    def text(self) -> str:
        """The text as read: the other keyboard layout where that was meant."""


class Reader(Protocol):
    """A ticket classifier."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the categories."""

    def classify(self, texts: Sequence[str]) -> Sequence[Reading]:
        """A reading of each text."""


class Models(Protocol):
    """The part of a bundle that answers."""

    @property
    def version(self) -> str:
        """Name of the bundle."""

    @property
    def classifier(self) -> Reader | None:
        """The classifier, where one is trained."""

    @property
    def correction(self) -> Correction | None:
        """The correction layer, where one is trained."""


class _Read(msgspec.Struct, frozen=True):
    """What is known of a question before the search."""

    categories: Mapping[str, float]
    foreign: bool
    text: str


class _Ranked(msgspec.Struct):
    """One article on its way to the list; merging twins adds their probabilities."""

    entry: Entry
    confidence: float
    near: bool
    row: int  # its place among the candidates


class Answerer:
    """Suggests answers; immutable apart from the index it reads.

    Args:
        bundle: live models, or None for a cold start.
        index: candidate index built with the same encoder.
        revision: knowledge revision that the index reflects.
        sure_from: confidence from which a suggestion is shown as sure.

    Raises:
        ValueError: the correction was trained on features that the index does not give.
    """

    def __init__(
        self,
        bundle: Models | None,
        index: CandidateIndex,
        revision: int,
        *,
        sure_from: float = 0.3,
    ) -> None:
        self.index = index
        self.revision = revision
        self._sure_from = sure_from
        self._version = bundle.version if bundle is not None else None
        self._classifier = bundle.classifier if bundle is not None else None
        self._correction = bundle.correction if bundle is not None else None
        self._columns: list[int] | None = None  # of the features that the correction knows
        if self._correction is not None and self._correction.feature_names != FEATURES:
            if not set(self._correction.feature_names) <= set(FEATURES):
                raise ValueError("The correction was trained on features that the index lacks.")
            self._columns = [FEATURES.index(name) for name in self._correction.feature_names]

    def suggest(self, text: str, top_k: int = 5, *, language: str = "") -> Suggestions:
        """Suggestions for one question of any text; see ``suggest_many``."""
        return self.suggest_many([text], top_k, language=language)[0]

    def suggest_many(
        self, texts: Sequence[str], top_k: int = 5, *, language: str = ""
    ) -> list[Suggestions]:
        """Suggestions for each question.

        Args:
            texts: questions; the first 2,000 characters of each are read, any text is allowed.
            top_k: most suggestions per question.
            language: language of the questions where it is known, else it is guessed.
        """
        started = time.perf_counter()
        texts = [text[:MAX_CHARS] for text in texts]
        readings = self._read(texts)
        found = self.index.search_many(
            [reading.text for reading in readings], [reading.categories for reading in readings]
        )
        confidences = [self._confidence(candidates.features) for candidates in found]
        spent = (time.perf_counter() - started) / max(len(texts), 1)
        results = []
        for reading, candidates, rated in zip(readings, found, confidences, strict=True):
            begun = time.perf_counter()
            spoken = language or guess_language(reading.text)
            ranked = self._ranked(spoken, candidates, *rated, max(top_k, 0))
            guesses = reading.categories
            best = max(guesses, key=guesses.__getitem__, default="")
            results.append(
                Suggestions(
                    categories=_guesses(guesses),
                    items=self._shown(reading, spoken, best, ranked, candidates),
                    foreign=reading.foreign,
                    language=spoken,
                    model_version=self._version,
                    knowledge_revision=self.revision,
                    cold=self._correction is None,
                    elapsed_ms=(spent + time.perf_counter() - begun) * 1e3,
                )
            )
        return results

    def _read(self, texts: Sequence[str]) -> list[_Read]:
        if self._classifier is None:
            return [_Read({}, False, text) for text in texts]
        labels = self._classifier.labels
        read = []
        for text, reading in zip(texts, self._classifier.classify(texts), strict=True):
            if not text.strip():
                read.append(_Read({}, False, text))
                continue
            values = np.asarray(reading.proba, np.float32).tolist()
            categories = dict(zip(labels, values, strict=True))
            read.append(_Read(categories, bool(reading.foreign), reading.text))
        return read

    def _confidence(self, features: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Confidence of each candidate, and whether it may be shown as sure."""
        if self._correction is None:
            return self._cold(features)
        known = features if self._columns is None else features[:, self._columns]
        proba = self._correction.predict_proba(known, [len(known)])
        return proba, np.ones(len(proba), bool)

    def _cold(self, features: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """A cautious confidence without training: high for near-identical past questions alone."""
        level = features[:, FEATURES.index("past_level")]
        near = level >= _NEAR_IDENTICAL
        weights = self.index.fixed_weights()
        total = weighted_sum(FEATURES, weights).logits(features)
        best = float(total.max(initial=0.0))
        share = best / sum(weight for weight in weights.values() if weight > 0)
        confidence = _COLD_MOST * share * np.exp(np.minimum(total - best, 0.0))
        # Several articles with the same past question cannot all be right.
        rivals = max(int(near.sum()), 1)
        confidence[near] = (0.6 + 2.0 * (level[near] - _NEAR_IDENTICAL)) / rivals
        return confidence.astype(np.float32), near

    def _ranked(
        self,
        language: str,
        candidates: Candidates,
        confidence: Floats,
        near: NDArray[np.bool_],
        top: int,
    ) -> list[_Ranked]:
        """Best first; an article and its twin, or two with one text, become one entry."""
        sure, certain = confidence.tolist(), near.tolist()
        order = np.argsort(-confidence, kind="stable").tolist()
        entries = candidates.entries
        alone = len({entry.key for entry in entries}) == len(entries)
        if alone and not any(entry.twin_id is not None for entry in entries):
            order = order[:top]  # those that follow can add nothing to these
        merged: dict[int, _Ranked] = {}
        for row in order:
            entry = entries[row]
            if entry.twin_id is not None:
                entry = self._in_language(entry, language)
            known = merged.get(entry.key)
            if known is None:
                merged[entry.key] = _Ranked(entry, sure[row], certain[row], row)
            else:
                # Probabilities of the same answer add up; cautious guesses do not.
                if certain[row]:
                    known.confidence += sure[row]
                known.near = known.near or certain[row]
        return sorted(merged.values(), key=lambda entry: -entry.confidence)[:top]

    def _in_language(self, entry: Entry, language: str) -> Entry:
        """The article's twin if that one is in the language of the question, else the article.

        Where neither is, the one with the lower id stands for both, so that a pair is shown once.
        """
        twin = self.index.entry(entry.twin_id) if entry.twin_id is not None else None
        if twin is None or (language and entry.item.language == language):
            return entry
        if language and twin.item.language == language:
            return twin
        return min(entry, twin, key=lambda one: one.answer_id)

    def _shown(
        self,
        reading: _Read,
        language: str,
        category: str,
        ranked: Sequence[_Ranked],
        candidates: Candidates,
    ) -> tuple[Suggestion, ...]:
        shared = self.index.shared_words(reading.text, [one.entry.answer_id for one in ranked])
        level = candidates.features[:, FEATURES.index("past_level")]
        shown = []
        for one, words in zip(ranked, shared, strict=True):
            item = one.entry.item
            matched = level[one.row] >= _MATCHED_FROM
            reasons = Reasons(
                matched_question=candidates.matched_question(one.row) if matched else None,
                shared_terms=words,
                category=item.category or None,
                category_matches=bool(category) and item.category == category,
                accepted=item.accepted,
                shown=item.shown,
                other_language=bool(language and item.language) and item.language != language,
            )
            confidence = min(max(one.confidence, 0.0), 1.0)
            shown.append(
                Suggestion(
                    answer_id=item.answer_id,
                    text=item.text,
                    title=item.title,
                    category=item.category,
                    language=item.language,
                    confidence=confidence,
                    sure=one.near and confidence >= self._sure_from,
                    reasons=reasons,
                )
            )
        return tuple(shown)


def _guesses(categories: Mapping[str, float]) -> tuple[CategoryGuess, ...]:
    best = sorted(categories.items(), key=lambda pair: -pair[1])[:_SHOWN_CATEGORIES]
    return tuple(CategoryGuess(name, value) for name, value in best if value >= _LEAST_CATEGORY)
