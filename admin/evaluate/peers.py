"""What one would take instead of the ticket classifier: linear models of scikit-learn.

They get the same rows and the same honest treatment: confidence and thresholds come from folds of
the training rows. Only the evaluating process loads scikit-learn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from nlp.calibration import fit_scale, softmax, threshold_for

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Fold = tuple[Ints, Ints]
"""Row numbers to train on and to judge by."""

PEERS: Final = ("linear_svc", "logistic_regression")


@dataclass(frozen=True, slots=True)
class LinearPeer:
    """A fitted vectoriser and linear model that speaks like our classifier."""

    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    cpu_s: float
    size_bytes: int
    vectoriser: Any
    model: Any
    scale: float

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Shapes: n texts -> (n, n_labels)."""
        return softmax(self._scores(texts) * np.float32(self.scale))

    def foreign_score(self, texts: Sequence[str]) -> Floats:
        """The best category's score, negated. Shapes: n texts -> (n,)."""
        return np.asarray(-self._scores(texts).max(axis=1), np.float32)

    def call(self, text: str) -> None:
        """One message, as it would be asked."""
        self.predict_proba([text])

    def _scores(self, texts: Sequence[str]) -> Floats:
        matrix = self.vectoriser.transform(texts)
        return _decisions(self.model, matrix, len(self.labels))


def fit_peer(
    name: str,
    texts: Sequence[str],
    numbers: Ints,
    labels: tuple[str, ...],
    *,
    folds: Sequence[Fold],
    promises: Sequence[float],
) -> LinearPeer:
    """Fit one of ``PEERS``. ``cpu_s`` counts vectoriser and model, not the folds.

    Document frequencies see all rows, categories only those of the other folds.
    """
    began = time.process_time()
    vectoriser, blank = _parts(name)
    matrix = vectoriser.fit_transform(texts)
    model = clone(blank).fit(matrix, numbers)
    spent = time.process_time() - began
    decisions, truth = [], []
    for train, held_out in folds:
        fitted = clone(blank).fit(matrix[train], numbers[train])
        decisions.append(_decisions(fitted, matrix[held_out], len(labels)))
        truth.append(numbers[held_out])
    scores, wanted = np.concatenate(decisions), np.concatenate(truth)
    scale = fit_scale(scores, wanted)
    proba = softmax(scores * np.float32(scale))
    right = proba.argmax(axis=1) == wanted
    limits = {str(p): threshold_for(proba.max(axis=1), right, p) for p in promises}
    return LinearPeer(
        labels=labels,
        thresholds={promise: limit[0] for promise, limit in limits.items() if limit is not None},
        cpu_s=spent,
        size_bytes=_size(vectoriser, model),
        vectoriser=vectoriser,
        model=model,
        scale=scale,
    )


def tfidf(documents: Sequence[str]) -> tuple[Any, Any]:
    """A vectoriser of words and word pairs, and the documents as unit rows.

    Source: Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988.
    """
    vectoriser = _words((1, 2))
    try:
        return vectoriser, vectoriser.fit_transform(documents)
    except ValueError:
        # no document holds a word: nothing is like anything
        vectoriser = TfidfVectorizer(analyzer="char")
        return vectoriser, vectoriser.fit_transform([*documents, " "])[: len(documents)]


def _parts(name: str) -> tuple[Any, Any]:
    if name == "linear_svc":
        chars = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32
        )
        return FeatureUnion([("words", _words((1, 2))), ("chars", chars)]), LinearSVC(
            random_state=0
        )
    return _words((1, 1)), LogisticRegression(C=10.0, max_iter=300)


def _words(sizes: tuple[int, int]) -> TfidfVectorizer:
    # One-letter words are words: "я", "I".
    return TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - a pattern of words
        ngram_range=sizes,
        sublinear_tf=True,
        dtype=np.float32,
    )


def _decisions(model: Any, matrix: Any, n_labels: int) -> Floats:
    """Scores of all labels; one that was not trained on lies below all others."""
    found = np.asarray(model.decision_function(matrix), np.float32)
    if found.ndim == 1:
        found = np.stack([-found, found], axis=1)
    scores = np.full((len(found), n_labels), float(found.min(initial=0.0)) - 1, np.float32)
    scores[:, model.classes_] = found
    return scores


def _size(vectoriser: Any, model: Any) -> int:
    """Bytes of coefficients, document frequencies and vocabulary."""
    parts = [part for _, part in getattr(vectoriser, "transformer_list", [("", vectoriser)])]
    words = sum(len(term.encode()) for part in parts for term in part.vocabulary_)
    frequencies = sum(int(part.idf_.nbytes) for part in parts)
    return int(words + frequencies + model.coef_.nbytes + model.intercept_.nbytes)
