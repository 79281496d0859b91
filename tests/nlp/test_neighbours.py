"""Likeness to the nearest rows of each category."""

from __future__ import annotations

import numpy as np
import pytest

from nlp.features import Rows, VocabularyFeatures, prepare
from nlp.neighbours import Neighbours
from nlp.train.nets import take

TEXTS = prepare([
    "reset my password", "forgot my password", "password is wrong", "new password please",
    "where is my parcel", "parcel is late", "the opera begins at nine",
])  # fmt: skip
TARGET = np.array([0, 0, 0, 0, 1, 1, 3])
ROWS = VocabularyFeatures.fit(TEXTS, pairs=False).transform(TEXTS)
FOUND = Neighbours.fit(ROWS, TARGET, 4)


def _plain(rows: Rows) -> np.ndarray:
    """The same from a dense matrix."""

    def dense(part: Rows) -> np.ndarray:
        table = np.zeros((len(part), part.width))
        table[np.repeat(np.arange(len(part)), np.diff(part.indptr)), part.indices] = part.values
        return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)

    cosines = dense(rows) @ dense(ROWS).T
    out = np.zeros((len(rows), 4))
    for category in range(4):
        own = np.sort(cosines[:, category == TARGET], axis=1)[:, ::-1][:, :3]
        out[:, category] = own.mean(axis=1) if own.shape[1] else 0.0
    return out


def test_mean_of_the_three_nearest() -> None:
    features = VocabularyFeatures.fit(TEXTS, pairs=False)
    asked = features.transform(prepare(["lost password", "parcel", "zzz", ""]))
    assert FOUND.logits(asked) == pytest.approx(_plain(asked), abs=1e-5)
    assert FOUND.logits(ROWS) == pytest.approx(_plain(ROWS), abs=1e-5)
    assert (FOUND.outputs, FOUND.width) == (4, ROWS.width)


def test_order_of_the_rows_does_not_matter() -> None:
    order = np.array([6, 2, 4, 0, 5, 1, 3])
    shuffled = Neighbours.fit(take(ROWS, order), TARGET[order], 4)
    assert shuffled.logits(ROWS) == pytest.approx(FOUND.logits(ROWS), abs=1e-6)


def test_saved_and_damaged() -> None:
    arrays = FOUND.to_arrays("n")
    restored = Neighbours.from_arrays(arrays, "n")
    assert restored.logits(ROWS) == pytest.approx(FOUND.logits(ROWS), abs=2e-3)
    with pytest.raises(ValueError, match="missing"):
        Neighbours.from_arrays({}, "n")
    with pytest.raises(ValueError, match="fit together"):
        Neighbours.from_arrays(arrays | {"n.rows": arrays["n.rows"][:-1]}, "n")
    with pytest.raises(ValueError, match="fit together"):
        Neighbours.from_arrays(arrays | {"n.rows": arrays["n.rows"] + 7}, "n")
