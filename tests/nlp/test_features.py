"""Sparse rows: weights, limits, and the promise that a saved extractor weighs the same."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.features import (
    HashedTrigrams,
    Rows,
    VocabularyFeatures,
    prepare,
    tokens,
    trigram_columns,
)
from nlp.gathering import Table
from nlp.network import Layer, Network

TEXTS = prepare(
    [
        "не приходит код на телефон",
        "код не приходит вторую неделю",
        "телефон не ловит, код не приходит",
        "where is my parcel",
        "my parcel is late",
    ]
)


def test_hash_of_another_version_is_refused():
    arrays = HashedTrigrams.fit(TEXTS).to_arrays()
    with pytest.raises(ValueError, match="hash version"):
        HashedTrigrams.from_arrays(arrays | {"hash_version": np.array([2], np.int64)})
    with pytest.raises(ValueError, match="missing"):
        HashedTrigrams.from_arrays({})


def test_vocabulary_that_does_not_fit_its_weights_is_refused():
    arrays = VocabularyFeatures.fit(TEXTS, pairs=False).to_arrays()
    with pytest.raises(ValueError, match="terms and"):
        VocabularyFeatures.from_arrays(arrays | {"idf": np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="float64"):
        VocabularyFeatures.from_arrays(arrays | {"idf": np.ones(3)})


def test_hash_is_the_one_of_version_1():
    # A changed hash would make every stored model wrong: these numbers are the format.
    assert len(trigram_columns("kod", 10_000)) == 3
    assert trigram_columns("", 10_000).tolist() == []
    assert trigram_columns("kod", 10_000).tolist() == [5025, 5119, 2578]


@pytest.mark.parametrize("pairs", [False, True])
def test_each_block_has_unit_length(pairs):
    features = VocabularyFeatures.fit(TEXTS, pairs=pairs)
    rows = features.transform([TEXTS[0]])
    blocks = 2 + 0.7**2 * pairs
    assert float(rows.values @ rows.values) == pytest.approx(blocks, rel=1e-4)
    assert rows.width == features.width
    assert len(np.unique(rows.indices)) == len(rows.indices)


def test_words_of_a_single_text_are_kept_while_texts_are_few():
    features = VocabularyFeatures.fit(["kot run", "pes"], pairs=False)
    assert features.transform(["run"]).values.tolist() == [1.0]
    many = ["kot", "pes"] * 2499
    assert VocabularyFeatures.min_count("words", len(many)) == 1
    rows = VocabularyFeatures.fit([*many, "kot run", "kot"], pairs=False).transform(["run"])
    assert len(rows.values) == 0


def test_unknown_words_leave_an_empty_row():
    rows = VocabularyFeatures.fit(TEXTS, pairs=True).transform(["9", "", TEXTS[0]])
    assert (np.diff(rows.indptr) > 0).tolist() == [False, False, True]


@given(st.text(max_size=80))
def test_saved_extractors_weigh_the_same(text):
    (folded,) = prepare([text])
    for features in (VocabularyFeatures.fit(TEXTS, pairs=True), HashedTrigrams.fit(TEXTS)):
        restored = type(features).from_arrays(features.to_arrays())
        before, after = features.transform([folded]), restored.transform([folded])
        assert np.array_equal(before.indices, after.indices)
        assert np.array_equal(before.values, after.values)


def test_network_is_the_sum_of_table_rows():
    rows = Rows(
        np.array([0, 2, 2]), np.array([0, 2]), np.array([1.0, 2.0], np.float32), 3
    )  # fmt: skip
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    bias = np.array([0.5, -0.5], np.float32)
    linear = Network(Table(table), bias)
    assert linear.logits(rows).tolist() == [[8.5, 10.5], [0.5, -0.5]]
    deep = Network(Table(table), bias, (Layer(np.eye(2, dtype=np.float32), bias),))
    hidden = np.array([8.5 / 9.5, 10.5 / 11.5])
    assert deep.logits(rows)[0] == pytest.approx(hidden + bias, rel=1e-5)
    assert deep.outputs == 2
    with pytest.raises(ValueError, match="do not fit"):
        Network.from_arrays(deep.to_arrays("n") | {"n.0.weight": table}, "n", [False])
    with pytest.raises(ValueError, match="missing"):
        Network.from_arrays({}, "n", [])


@pytest.mark.parametrize("pairs", [False, True])
@settings(deadline=None)  # each example fits an extractor
@given(texts=st.lists(st.text(alphabet="абвг дe ", max_size=40), min_size=1, max_size=5))
def test_rows_are_the_formula(pairs, texts):
    features = VocabularyFeatures.fit([*texts, "аб вг аб", "аб вг"], pairs=pairs)
    vocabulary = saved_terms(features)
    idf = features.to_arrays()["idf"].astype(np.float64)
    for text in texts:
        wanted = {}
        for block, columns in vocabulary.items():
            counts = Counter(VocabularyFeatures.terms(tokens(text), tokens(text), block))
            known = {columns[term]: n for term, n in counts.items() if term in columns}
            weights = {c: (1 + np.log(n)) * idf[c] for c, n in known.items()}
            length = np.sqrt(sum(w * w for w in weights.values()))
            factor = VocabularyFeatures.WEIGHT[block]
            wanted |= {c: factor * w / length for c, w in weights.items()}
        for _ in range(2):  # the second time from memory
            rows = features.transform([text])
            assert rows.indices.tolist() == sorted(wanted)
            assert rows.values == pytest.approx([wanted[c] for c in sorted(wanted)], rel=1e-5)


def saved_terms(features):
    """Column of each term by block, from what is saved."""
    found, start = {}, 0
    for name, array in features.to_arrays().items():
        if name.startswith("terms_"):
            joined = array.tobytes().decode()
            terms = joined.split("\n") if joined else []
            found[name.removeprefix("terms_")] = {t: start + i for i, t in enumerate(terms)}
            start += len(terms)
    return found
