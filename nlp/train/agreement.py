"""What a quick classifier says of rows, trained on rows of other groups alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from nlp.features import HashedTrigrams, Rows, prepare

Ints = NDArray[np.int64]


class Bystander:
    """A linear model over hashed trigrams: fast to train again without some of the rows.

    Args:
        texts: of all rows.
        numbers: category of each. Shape: (n,).
    """

    def __init__(self, texts: Sequence[str], numbers: Ints) -> None:
        folded = prepare(texts)
        self._rows = _matrix(HashedTrigrams.fit(folded).transform(folded))
        self._numbers = numbers

    def predict(self, known: Ints, asked: Ints) -> Ints:
        """Categories of the rows ``asked`` by a model of the rows ``known``; -1 where none is."""
        if not len(known) or not len(asked):
            return np.full(len(asked), -1, np.int64)
        target = self._numbers[known]
        if len(np.unique(target)) < 2:
            return np.full(len(asked), target[0], np.int64)
        model = LinearSVC(C=0.5, class_weight="balanced", random_state=0)
        model.fit(self._rows[known], target)
        return np.asarray(model.predict(self._rows[asked]), np.int64)


def _matrix(rows: Rows) -> csr_matrix:
    return csr_matrix((rows.values, rows.indices, rows.indptr), shape=(len(rows), rows.width))
