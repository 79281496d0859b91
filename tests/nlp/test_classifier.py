"""The classifier from training to serving, on a made-up repair shop."""

from __future__ import annotations

import itertools
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, save_arrays, save_json
from nlp.classifier import CONFIG, WEIGHTS, TicketClassifier
from nlp.train.classifier import LabelledText, TooLittleData, fit_classifier
from nlp.train.foreign import foreign_questions

_THINGS = ("велосипед", "самокат", "коляска", "сноуборд", "лыжи", "коньки", "байдарка", "палатка")
_TOPICS = {
    "цена": ("сколько стоит починить {}", "какая цена ремонта: {}", "дорого ли отремонтировать {}"),
    "срок": ("когда будет готов {}", "за сколько дней почините {}", "долго ждать, пока сделают {}"),
    "гарантия": ("есть ли гарантия на {}", "{} снова сломался, гарантия", "гарантийный ремонт: {}"),
    "warranty": ("is there a warranty for my skis", "my kayak broke again, is it covered"),
}


def _rows() -> list[LabelledText]:
    rows = [
        LabelledText(pattern.format(thing), label)
        for (label, patterns), thing in itertools.product(_TOPICS.items(), _THINGS)
        for pattern in patterns
    ]
    rows += [
        LabelledText("Ремонт стоит от тысячи рублей, цену назовёт мастер.", "цена", "answer"),
        LabelledText("Обычно готово за три дня, срочно за один.", "срок", "answer"),
    ]
    return rows


@pytest.fixture(scope="module", params=["default", "seed", "fast"])
def trained(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "classifier"
    metrics = fit_classifier(_rows(), folder, preset=request.param)
    assert metrics["accuracy"] > 0.7
    assert metrics["labels"] == 4
    return folder


@pytest.fixture(scope="module")
def fast(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "classifier"
    fit_classifier(_rows(), folder, preset="fast")
    return folder


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "10 are needed"),
        ([LabelledText("а", "б")] * 50, "10 are needed"),
        ([LabelledText(f"текст {i}", "одна") for i in range(20)], "one category"),
        ([LabelledText(" ", "a"), LabelledText("b", "")] * 10, "0 rows"),
    ],
)
def test_too_little_data_is_refused(tmp_path, rows, word):
    with pytest.raises(TooLittleData, match=word):
        fit_classifier(rows, tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"labels": ["a"]},
        {"features": "tea leaves"},
        {"networks": [[True]]},
        {"scales": None},
        {"foreign": {}},
    ],
)
def test_config_that_does_not_fit_is_refused(tmp_path, fast, change):
    folder = tmp_path / "c"
    shutil.copytree(fast, folder)
    save_json(folder / CONFIG, load_json(folder / CONFIG) | change)
    with pytest.raises(ArtifactDamaged, match=CONFIG):
        TicketClassifier.load(folder)


@pytest.mark.parametrize("name", ["idf", "terms_words", "network0.table", "layout_limits"])
def test_missing_array_is_named(tmp_path, fast, name):
    folder = tmp_path / "c"
    shutil.copytree(fast, folder)
    arrays = load_arrays(folder / WEIGHTS)
    del arrays[name]
    save_arrays(folder / WEIGHTS, arrays)
    with pytest.raises(ArtifactDamaged, match=CONFIG):
        TicketClassifier.load(folder)


def test_probabilities_are_probabilities(trained):
    classifier = TicketClassifier.load(trained)
    texts = ["сколько стоит починить лыжи", "", "zzz", "долго ли ждать коньки", "\x00\ud800"]
    proba = classifier.predict_proba(texts)
    assert proba.shape == (5, 4)
    assert proba.dtype == np.float32
    assert np.isfinite(proba).all()
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-4)
    assert classifier.labels[int(proba[0].argmax())] == "цена"
    assert classifier.labels[int(proba[3].argmax())] == "срок"


def test_one_pass_says_the_same_as_the_parts(trained):
    classifier = TicketClassifier.load(trained)
    texts = ["гарантия на самокат", "is there a warranty"]
    found = classifier.classify(texts)
    assert np.allclose([one.proba for one in found], classifier.predict_proba(texts), atol=1e-6)
    scores = classifier.foreign_score(texts)
    assert np.allclose([one.foreign_score for one in found], scores, atol=1e-5)
    assert [one.foreign for one in found] == (scores > classifier.foreign_threshold).tolist()
    assert [one.text for one in found] == texts
    assert classifier.classify([]) == []
    assert classifier.predict_proba([]).shape == (0, 4)


def test_transliteration_and_wrong_layout_are_read(fast):
    classifier = TicketClassifier.load(fast)
    clean = "сколько стоит починить велосипед"
    typed = "crjkmrj cnjbn gjxbybnm dtkjcbgtl"
    (swapped,) = classifier.classify([typed])
    assert swapped.text == clean
    same, latin = classifier.predict_proba([clean, "skolko stoit pochinit velosiped"])
    assert np.allclose(swapped.proba, same, atol=1e-6)
    assert latin.argmax() == same.argmax()


def test_other_domains_are_told_apart(fast):
    classifier = TicketClassifier.load(fast)
    strange = classifier.foreign_score(["кто написал эту оперу", "which planet is the largest"])
    ours = classifier.foreign_score(["сколько стоит починить палатку", "когда будет готов самокат"])
    assert strange.min() > ours.max()
    assert (strange > classifier.foreign_threshold).all()


def test_foreign_questions_are_many_and_of_both_languages():
    questions = foreign_questions()
    assert len(questions) == len(set(questions)) >= 200
    russian = sum(any("а" <= c <= "я" for c in text) for text in questions)
    assert 80 <= russian <= len(questions) - 80


def test_same_seed_gives_the_same_model(tmp_path, fast):
    fit_classifier(_rows(), tmp_path / "again", preset="fast")
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (fast / WEIGHTS).read_bytes()
    assert (tmp_path / "again" / CONFIG).read_bytes() == (fast / CONFIG).read_bytes()


def test_progress_grows(tmp_path):
    shares: list[float] = []
    fit_classifier(
        _rows(), tmp_path / "c", preset="fast", progress=lambda stage, share: shares.append(share)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_message_takes_under_a_millisecond(fast):
    classifier = TicketClassifier.load(fast)
    spent = []
    for _ in range(50):
        started = time.perf_counter()
        classifier.classify(["сколько стоит починить велосипед, если спица сломалась"])
        spent.append(time.perf_counter() - started)
    # The best run: what others do on the machine is not the classifier's.
    assert min(spent) < 0.001


@given(st.text(max_size=300))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_classified(fast, text):
    (found,) = TicketClassifier.load(fast).classify([text])
    assert np.isfinite(found.proba).all()
    assert np.isfinite(found.foreign_score)
