"""Texts without a category teach which words go together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp.features import VocabularyFeatures
from nlp.train.choice import PRETRAINED
from nlp.train.classifier import LabelledText, fit_classifier
from nlp.train.counted import CountedTexts
from nlp.train.learners import LinearLearner
from nlp.train.pretraining import pretrain
from nlp.train.problem import build_problem, read_texts

CATEGORIES = ("delivery", "payment", "password", "refund")
LETTERS = "bdfgklmnprstvz"


def _words(category: int) -> list[str]:
    """Thirty made-up words of a category, alike in nothing; its labelled tickets know ten."""
    generator = np.random.default_rng(9)
    words = ["".join(generator.choice(list(LETTERS), 7)) for _ in range(120)]
    return words[category::4]


def _texts(count: int, low: int, high: int, *, seed: int) -> list[tuple[str, str]]:
    generator = np.random.default_rng(seed)
    found = []
    for place in range(count):
        category = place % len(CATEGORIES)
        chosen = generator.choice(_words(category)[low:high], 5, replace=False)
        found.append((" ".join(chosen), CATEGORIES[category]))
    return found


def test_words_never_labelled_are_understood() -> None:
    labelled, asked = _texts(40, 0, 10, seed=0), _texts(80, 15, 30, seed=3)
    unlabelled = [text for text, _ in _texts(600, 0, 30, seed=2)]
    own = [text for text, _ in [*labelled, *asked]]
    numbers = np.array([CATEGORIES.index(name) for _, name in [*labelled, *asked]])
    known, held = np.arange(40), np.arange(40, 120)
    read = read_texts(own, [], known, np.arange(0), unlabelled)
    problem = build_problem(read, numbers, CountedTexts(pairs=False).rows, n_labels=4)
    right = [
        float((problem.logits(learner.fit(problem, known, seed=0), held)[:, :4].argmax(axis=1)
               == numbers[held]).mean())
        for learner in (LinearLearner(), PRETRAINED)
    ]  # fmt: skip
    assert right[0] < 0.5
    assert right[1] > 0.8


def test_words_that_go_together_get_similar_vectors() -> None:
    texts = [text for text, _ in _texts(400, 0, 30, seed=4)]
    features = VocabularyFeatures.fit(texts, pairs=False)
    table = pretrain(features.transform(texts), 32, seed=0).table

    def vectors(category: int) -> np.ndarray:
        rows = features.transform(_words(category))
        found = [
            rows.values[a:b] @ table[rows.indices[a:b]]
            for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
        ]
        stacked = np.stack(found)
        return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)

    first, second = vectors(0), vectors(1)
    assert (first @ first.T).mean() > (first @ second.T).mean() + 0.3


def test_texts_without_words_do_no_harm(tmp_path: Path) -> None:
    labelled = [LabelledText(text, name) for text, name in _texts(40, 0, 10, seed=0)]
    metrics = fit_classifier(labelled, tmp_path / "model", unlabelled=["", "!!!", "   ", "..."])
    assert metrics["rows"] == 40
    assert metrics["accuracy"] == pytest.approx(1.0, abs=0.2)
