import subprocess
import sys

import numpy as np
import pytest
import torch

from nlp.artifacts import ArtifactDamaged, load_arrays
from nlp.ranker import DualEncoder
from nlp.terms import stem_terms
from nlp.train.ranker import EncoderSettings, fit_encoder

ANSWERS = [
    "Откройте профиль и нажмите «Сменить пароль».",
    "Деньги возвращаются на карту за пять дней.",
    "The parcel is delivered within a week.",
    "",
]
PAIRS = [
    ("забыл пароль", 0),
    ("как поменять пароль", 0),
    ("не могу войти, пароль не подходит", 0),
    ("верните деньги", 1),
    ("когда вернут деньги за заказ", 1),
    ("where is my parcel", 2),
    ("parcel has not arrived", 2),
    ("when will the parcel come", 2),
]
SETTINGS = EncoderSettings(dimension=32, epochs=20, rare=1, translation_from=4)


@pytest.fixture(scope="module")
def encoder():
    torch.set_num_threads(1)
    return fit_encoder(ANSWERS, PAIRS, SETTINGS, seed=1)


def test_training_needs_pairs_that_fit():
    with pytest.raises(ValueError, match="position"):
        fit_encoder(ANSWERS, [])
    with pytest.raises(ValueError, match="position"):
        fit_encoder(ANSWERS, [("x", 4)])


def test_a_damaged_file_is_named(encoder, tmp_path):
    with pytest.raises(ArtifactDamaged, match="ranker"):
        DualEncoder.load(tmp_path)
    encoder.save(tmp_path)
    (tmp_path / "ranker.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactDamaged, match="ranker"):
        DualEncoder.load(tmp_path)


def test_questions_come_near_their_answers(encoder):
    questions = encoder.encode_questions([text for text, _ in PAIRS])
    answers = encoder.encode_answers(ANSWERS)
    best = (questions @ answers.T).argmax(axis=1)
    assert best.tolist() == [position for _, position in PAIRS]


def test_rows_have_unit_length_or_are_zero(encoder):
    texts = ["пароль", "", "\U0001f600", "zzzqqq", "x" * 5000]
    rows = encoder.encode_questions(texts)
    lengths = np.linalg.norm(rows, axis=1)
    assert rows.shape == (5, encoder.dimension)
    assert rows.dtype == np.float32
    assert lengths[0] == pytest.approx(1, abs=1e-5)
    assert lengths[1] == lengths[2] == 0
    assert encoder.encode_answers([]).shape == (0, encoder.dimension)


def test_it_comes_back_from_disk(encoder, tmp_path):
    encoder.save(tmp_path / "ranker")
    again = DualEncoder.load(tmp_path / "ranker")
    texts = [text for text, _ in PAIRS]
    assert again.encode_questions(texts) == pytest.approx(encoder.encode_questions(texts), abs=1e-2)
    assert again.translation is not None


def test_a_table_takes_a_byte_per_number(tmp_path):
    settings = EncoderSettings(dimension=256, epochs=1)
    fit_encoder(ANSWERS, PAIRS, settings).save(tmp_path)
    arrays = load_arrays(tmp_path / "ranker.safetensors")
    assert arrays["table"].dtype == np.int8
    assert arrays["table"].shape[1] == 256


def test_no_more_terms_than_wanted_and_those_of_most_texts():
    encoder = fit_encoder(ANSWERS, PAIRS, EncoderSettings(dimension=8, epochs=1, terms=5))
    words = " ".join([*ANSWERS, *(text for text, _ in PAIRS)]).split()
    assert sum(encoder.encode_questions(words).any(axis=1)) < len(words) / 2
    assert encoder.encode_questions([ANSWERS[0]]).any()


def test_the_seed_decides():
    settings = EncoderSettings(dimension=16, epochs=2, rare=1)
    first, second = (fit_encoder(ANSWERS, PAIRS, settings, seed=3) for _ in range(2))
    other = fit_encoder(ANSWERS, PAIRS, settings, seed=4)
    rows = first.encode_questions(["пароль"])
    assert (rows == second.encode_questions(["пароль"])).all()
    assert not (rows == other.encode_questions(["пароль"])).all()


def test_progress_ends_with_one():
    seen = []
    fit_encoder(ANSWERS, PAIRS, EncoderSettings(dimension=8, epochs=3), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_translation_prefers_the_answer_whose_words_go_with_the_question(encoder):
    table = encoder.translation
    answers = [table.places(stem_terms(text)) for text in ANSWERS]
    flat, sizes = np.concatenate(answers), np.asarray([len(answer) for answer in answers])
    scores = table.scores(table.places(stem_terms("не могу войти")), flat, sizes)
    assert scores.argmax() == 0
    assert scores[3] == 0
    assert table.scores(table.places(stem_terms("")), flat, sizes).tolist() == [0] * 4
    assert table.scores(table.places(stem_terms("войти")), flat[:0], sizes[:0]).shape == (0,)


def test_translation_is_the_formula(encoder):
    table = encoder.translation
    answers = [table.places(stem_terms(text)) for text in (*ANSWERS, "", *ANSWERS)]
    asked = table.places(stem_terms(" ".join(question for question, _ in PAIRS)))
    assert len(asked) > 16  # more than are read at once
    given = np.zeros((len(table.vocabulary), len(table.vocabulary)))
    for term in range(len(table.vocabulary)):
        span = slice(table.starts[term], table.starts[term + 1])
        given[term, table.sources[span]] = 0.5 * table.probabilities[span]
        given[term, term] += 0.5
    expected = [
        sum(
            np.log1p(9 * given[term, answer].sum() / max(len(answer), 1) / table.background[term])
            for term in asked
        )
        / len(asked)
        for answer in answers
    ]
    sizes = np.asarray([len(answer) for answer in answers])
    scores = table.scores(asked, np.concatenate(answers), sizes)
    assert scores == pytest.approx(expected, rel=1e-4)


def test_no_translation_from_too_few_pairs():
    assert fit_encoder(ANSWERS, PAIRS, EncoderSettings(dimension=8, epochs=1)).translation is None


def test_serving_needs_no_torch():
    code = "import sys, nlp.ranker, nlp.correction; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
