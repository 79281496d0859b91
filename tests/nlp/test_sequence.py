"""Networks over sequences: NumPy says what torch says, and refuses what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nlp.sequence import Kind, SequenceNetwork, SequenceShape
from nlp.train.sequence import SequenceNet, SequenceRecipe, SequenceTexts, fit_sequence

TEXTS = ["gde moi zakaz", "", "a", "zakaz nomer 1234 " * 120, "\u4e2d\u6587 x", " slovo"]
KINDS = pytest.mark.parametrize("kind", ["cnn", "rnn"])


def _shape(kind: Kind) -> SequenceShape:
    return SequenceShape(
        kind, buckets=500, dimension=8, char_dimension=4, char_filters=6, units=5, most_words=40
    )


@pytest.fixture(params=["cnn", "rnn"])
def network(request: pytest.FixtureRequest) -> SequenceNetwork:
    recipe = SequenceRecipe(_shape(request.param), epochs=20)
    return fit_sequence(TEXTS, np.array([0, 1, 2, 0, 1, 2]), 4, recipe, seed=0)


@KINDS
def test_numpy_gives_the_logits_of_torch(kind: Kind) -> None:
    torch.manual_seed(0)
    model = SequenceNet(SequenceRecipe(_shape(kind)), 7).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
        wanted = model(SequenceTexts(TEXTS, _shape(kind)).batch(range(len(TEXTS)))).numpy()
    got = model.to_network().logits(TEXTS)
    assert (got.shape, got.dtype) == ((len(TEXTS), 7), np.float32)
    assert np.abs(got - wanted).max() < 1e-4
    assert np.abs(wanted).max() > 0.1


def test_one_text_gives_what_it_gives_among_many(network: SequenceNetwork) -> None:
    many = network.logits(TEXTS * 50)
    for number, text in enumerate(TEXTS):
        assert np.allclose(network.logits([text])[0], many[number], atol=1e-5)
        assert np.allclose(many[number - len(TEXTS)], many[number], atol=1e-5)
    assert network.logits([]).shape == (0, 4)


def test_order_of_words_counts(network: SequenceNetwork) -> None:
    first, second = network.logits(["moi zakaz gde", "gde moi zakaz"])
    assert np.abs(first - second).max() > 1e-6


def test_saved_and_read_back(network: SequenceNetwork) -> None:
    arrays, config = network.to_arrays("n"), network.to_config()
    again = SequenceNetwork.from_arrays(arrays | {"other": np.zeros(1)}, "n", config)
    assert np.array_equal(again.logits(TEXTS), network.logits(TEXTS))
    for name in arrays:
        with pytest.raises(ValueError, match="missing"):
            SequenceNetwork.from_arrays({k: v for k, v in arrays.items() if k != name}, "n", config)
        with pytest.raises(ValueError, match="not"):
            SequenceNetwork.from_arrays(arrays | {name: arrays[name][1:]}, "n", config)
    for change, word in (({"hash_version": 2}, "hash version"), ({"kind": "x"}, "unknown kind")):
        with pytest.raises(ValueError, match=word):
            SequenceNetwork.from_arrays(arrays, "n", config | change)


@KINDS
def test_the_order_of_words_can_be_learned(kind: Kind) -> None:
    texts = ["kot pes", "pes kot"] * 8
    recipe = SequenceRecipe(_shape(kind), epochs=60, learning_rate=2e-2)
    network = fit_sequence(texts, np.array([0, 1] * 8), 2, recipe, seed=0)
    assert network.logits(texts).argmax(1).tolist() == [0, 1] * 8
