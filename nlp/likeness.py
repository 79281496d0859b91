"""Texts as dense vectors whose dot product says how alike they are; nothing is trained.

For a few thousand texts at a time: memory is texts times 4,096 numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nlp.function_words import FUNCTION_WORDS
from nlp.terms import MAX_CHARS, char_terms, stem_terms
from nlp.text import stems, words

Floats = NDArray[np.float32]

_WIDTH: Final = 2048  # columns of each half; a collision of two terms does little harm
_STEMS: Final = 0.5  # of the squared length; characters see through spelling and word forms


def text_vectors(texts: Sequence[str]) -> Floats:
    """Unit rows (zero where nothing tells): TF-IDF of stems beside TF-IDF of character n-grams.

    Function words are left out. Shapes: ``(n, 4096)``.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, ch. 6.
    """
    telling = [" ".join(telling_words(text)) for text in texts]
    halves = [
        np.sqrt(share) * _tf_idf([terms(text) % _WIDTH for text in telling])
        for terms, share in ((stem_terms, _STEMS), (char_terms, 1 - _STEMS))
    ]
    return np.concatenate(halves, axis=1)


def telling_words(text: str) -> list[str]:
    """Words of a text without function words and single letters, in order."""
    return [w for w in words(text[:MAX_CHARS]) if len(w) > 1 and w not in FUNCTION_WORDS]


def text_counts(texts: Sequence[str]) -> dict[str, int]:
    """Number of texts that hold each telling stem."""
    return _held(texts)[0]


def top_terms(
    group: Sequence[str], everywhere: Mapping[str, int], total: int, limit: int = 4
) -> list[str]:
    """Words that tell a group of texts from the others, most telling first.

    A stem counts by the share of the group's texts that hold it times its idf, and is shown as its
    most frequent form.

    Args:
        group: the texts to name.
        everywhere: ``text_counts`` of all texts, the group's included.
        total: number of all texts.
        limit: most words.
    """
    inside, forms = _held(group)
    scored = sorted(
        inside, key=lambda s: (-inside[s] * np.log((total + 1) / (everywhere[s] + 0.5)), s)
    )
    return [max(sorted(forms[s]), key=lambda form: forms[s][form]) for s in scored[:limit]]


def _held(texts: Sequence[str]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Number of texts by stem, and the forms in which each stem was written."""
    counts: dict[str, int] = {}
    forms: dict[str, dict[str, int]] = {}
    for text in texts:
        seen = {stem: word for word in telling_words(text) for stem in stems(word)}
        for stem, word in seen.items():
            counts[stem] = counts.get(stem, 0) + 1
            spelt = forms.setdefault(stem, {})
            spelt[word] = spelt.get(word, 0) + 1
    return counts, forms


def _tf_idf(rows: Sequence[NDArray[np.int64]]) -> Floats:
    counts = np.zeros((len(rows), _WIDTH), np.float32)
    for place, row in enumerate(rows):
        np.add.at(counts[place], row, 1.0)
    held = (counts > 0).sum(axis=0)
    weighted = np.log1p(counts) * (np.log((1 + len(rows)) / (1 + held)) + 1).astype(np.float32)
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(weighted / np.where(lengths > 0, lengths, 1), np.float32)
