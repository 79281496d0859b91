"""Terms of texts counted once, so that each fold may cheaply have a vocabulary of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from nlp.features import Rows, VocabularyFeatures, tokens
from nlp.spelling import Speller

Ints = NDArray[np.int64]


class CountedTexts:
    """What ``VocabularyFeatures`` would give, for one choice of texts after another.

    A text is cut into terms the first time it is seen.
    """

    def __init__(self, *, pairs: bool) -> None:
        names = VocabularyFeatures.BLOCKS if pairs else VocabularyFeatures.BLOCKS[:2]
        self._blocks = {name: _Block(name) for name in names}
        self._tokens: dict[str, tuple[str, ...]] = {}

    def rows(self, texts: Sequence[str], known: Ints) -> Rows:
        """Rows of all folded texts; vocabulary and document frequencies are of ``known`` alone.

        The same as ``VocabularyFeatures.fit`` of the known texts and ``transform`` of all, except
        for the order of columns. ``known`` holds places in ``texts``.
        """
        typed = [self._read(text) for text in texts]
        speller = Speller.fit(typed[place] for place in known.tolist())
        taught = set(known.tolist())
        corrected = [
            words if place in taught else tuple(speller.correct(words))
            for place, words in enumerate(typed)
        ]
        parts = [
            block.weighed(typed if name == "chars" else corrected, known)
            for name, block in self._blocks.items()
        ]
        matrix = hstack(parts, format="csr", dtype=np.float32)
        return Rows(
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data,
            matrix.shape[1], parts[0].shape[1],
        )  # fmt: skip

    def _read(self, text: str) -> tuple[str, ...]:
        if text not in self._tokens:
            self._tokens[text] = tuple(tokens(text))
        return self._tokens[text]


class _Block:
    """Counts of one kind of terms."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._column: dict[str, int] = {}
        self._counted: dict[tuple[str, ...], tuple[Ints, Ints]] = {}

    def weighed(self, texts: Sequence[tuple[str, ...]], known: Ints) -> Any:
        counts = self._matrix(texts)
        documents = np.bincount(counts[known].indices, minlength=counts.shape[1])
        kept = np.flatnonzero(documents >= VocabularyFeatures.min_count(self._name, len(known)))
        weighed = counts[:, kept]
        idf = VocabularyFeatures.idf(documents[kept], len(known))
        weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
        lengths = np.sqrt(weighed.multiply(weighed).sum(axis=1).A1)
        factors = VocabularyFeatures.WEIGHT[self._name] / np.where(lengths, lengths, 1)
        weighed.data = weighed.data * np.repeat(factors, np.diff(weighed.indptr))
        return weighed

    def _matrix(self, texts: Sequence[tuple[str, ...]]) -> Any:
        found = [self._count(words) for words in texts]
        indptr = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(columns) for columns, _ in found], out=indptr[1:])
        columns = np.concatenate([columns for columns, _ in found])
        counts = np.concatenate([counts for _, counts in found]).astype(np.float64)
        return csr_matrix((counts, columns, indptr), shape=(len(texts), len(self._column)))

    def _count(self, words: tuple[str, ...]) -> tuple[Ints, Ints]:
        if words not in self._counted:
            column = self._column
            terms = Counter(VocabularyFeatures.terms(words, words, self._name))
            columns = [column.setdefault(term, len(column)) for term in terms]
            self._counted[words] = (
                np.array(columns, np.int64),
                np.array(list(terms.values()), np.int64),
            )
        return self._counted[words]
