"""What every encoder promises, whichever preset trained it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nlp.artifacts import ArtifactDamaged, load_arrays, load_json, save_arrays, save_json
from nlp.encoders import Encoder, load_encoder
from nlp.train.encoders import fit_network_encoder
from nlp.train.ranker import fit_encoder

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
TEXTS = ["забыл пароль", "", "🙂", "我的订单", "где мой заказ " * 140, "parcel"]


@pytest.fixture(scope="module", params=["default", "seed", "ff", "cnn", "rnn"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    torch.set_num_threads(1)
    if request.param == "default":
        return fit_encoder(ANSWERS, PAIRS, seed=1)
    return fit_network_encoder(request.param, ANSWERS, PAIRS, seed=1)


def test_questions_come_near_their_answers(encoder: Encoder) -> None:
    questions = encoder.encode_questions([text for text, _ in PAIRS])
    best = (questions @ encoder.encode_answers(ANSWERS).T).argmax(axis=1)
    assert best.tolist() == [position for _, position in PAIRS]


def test_one_text_gives_what_it_gives_among_many(encoder: Encoder) -> None:
    for encode in (encoder.encode_questions, encoder.encode_answers):
        rows = encode(TEXTS * 40)
        assert (rows.shape, rows.dtype) == ((len(TEXTS) * 40, encoder.dimension), np.float32)
        lengths = np.linalg.norm(rows, axis=1)
        assert lengths.max() <= 1 + 1e-5
        assert lengths[0] > 0.01
        assert lengths[1] == lengths[2] == 0
        for number, text in enumerate(TEXTS):
            assert np.allclose(encode([text])[0], rows[number - len(TEXTS)], atol=1e-5)
        assert encode([]).shape == (0, encoder.dimension)


def test_it_comes_back_from_disk(encoder: Encoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "ranker")
    again = load_encoder(tmp_path / "ranker")
    assert type(again) is type(encoder)
    assert np.allclose(again.encode_questions(TEXTS), encoder.encode_questions(TEXTS), atol=2e-3)
    assert np.allclose(again.encode_answers(TEXTS), encoder.encode_answers(TEXTS), atol=2e-3)


def test_damage_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ArtifactDamaged):
        load_encoder(tmp_path)
    encoder.save(tmp_path)
    weights, config = tmp_path / "ranker.safetensors", tmp_path / "ranker.json"
    arrays = load_arrays(weights)
    for name in arrays:
        save_arrays(weights, {key: value for key, value in arrays.items() if key != name})
        with pytest.raises(ArtifactDamaged, match="ranker"):
            load_encoder(tmp_path)
    save_arrays(weights, arrays)
    if config.exists():
        for change in ({"kind": "tea"}, {"networks": []}, {"networks": [{}, {}]}):
            save_json(config, load_json(config) | change)
            with pytest.raises(ArtifactDamaged, match="ranker"):
                load_encoder(tmp_path)


@pytest.mark.parametrize("kind", ["seed", "ff", "cnn", "rnn"])
def test_training_needs_pairs_that_fit(kind: str) -> None:
    for pairs in ([], [("x", 4)]):
        with pytest.raises(ValueError, match="position"):
            fit_network_encoder(kind, ANSWERS, pairs)  # type: ignore[arg-type]


def test_the_seed_decides() -> None:
    rows = [
        fit_network_encoder("ff", ANSWERS, PAIRS, seed=seed).encode_questions(["пароль"])
        for seed in (3, 3, 4)
    ]
    assert (rows[0] == rows[1]).all()
    assert not (rows[0] == rows[2]).all()


def test_many_pairs_bring_a_translation_table(tmp_path: Path) -> None:
    seen: list[float] = []
    pairs = [(f"{text} {number}", place) for text, place in PAIRS for number in range(65)]
    encoder = fit_network_encoder("seed", ANSWERS, pairs, progress=seen.append)
    assert encoder.translation is not None
    encoder.save(tmp_path)
    assert load_encoder(tmp_path).translation is not None
    assert seen == sorted(seen)
    assert seen[-1] == 1
