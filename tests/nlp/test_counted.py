"""Rows of counted texts are those of an extractor that was fitted on the known ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.features import Rows, VocabularyFeatures, prepare
from nlp.train.counted import CountedTexts

TEXTS = prepare(
    [
        "не приходит код на телефон, код не приходит",
        "код не приходит вторую неделю",
        "телефон не ловит, код не приходит",
        "where is my parcel",
        "my parcel is late",
        "",
        "parcel и телефон",
    ]
)


def _weights(rows: Rows) -> list[list[float]]:
    ends = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    return [sorted(rows.values[start:end].tolist()) for start, end in ends]


@pytest.mark.parametrize("pairs", [False, True])
@given(known=st.sets(st.integers(0, len(TEXTS) - 1), min_size=1))
def test_same_as_the_extractor_fitted_on_the_known(pairs: bool, known: set[int]) -> None:
    counted = CountedTexts(pairs=pairs)
    # What was counted before must not show.
    counted.rows(TEXTS, np.arange(len(TEXTS)))
    places = np.array(sorted(known))
    rows = counted.rows(TEXTS, places)
    features = VocabularyFeatures.fit([TEXTS[place] for place in places], pairs=pairs)
    assert rows.width == features.width
    wanted = _weights(features.transform(TEXTS))
    for got, expected in zip(_weights(rows), wanted, strict=True):
        assert got == pytest.approx(expected, rel=1e-5)


def test_words_of_the_others_have_no_column() -> None:
    rows = CountedTexts(pairs=False).rows(["kot kot", "kot", "pes", "pes"], np.array([0, 1]))
    assert np.diff(rows.indptr).tolist()[2:] == [0, 0]
    assert rows.values.dtype == np.float32
