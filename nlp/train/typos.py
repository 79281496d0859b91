"""Copies of training texts with the slips of hurried fingers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def misspell(texts: Sequence[str], *, share: float, seed: int) -> list[str]:
    """Each text once, with about ``share`` of its letters dropped, replaced, doubled or swapped.

    Reads and gives folded texts; replacements come from the letters of the texts themselves.
    """
    generator = np.random.default_rng(seed)
    alphabet = sorted({c for text in texts for c in text if c.isalpha()}) or ["a"]
    return [_slip(text, alphabet, share, generator) for text in texts]


def _slip(text: str, alphabet: Sequence[str], share: float, generator: np.random.Generator) -> str:
    letters = list(text)
    hit = np.flatnonzero(generator.random(len(letters)) < share)
    kinds = generator.integers(0, 4, len(hit))
    picks = generator.integers(0, len(alphabet), len(hit))
    # From the end, so that earlier places keep their numbers.
    for place, kind, pick in zip(hit[::-1], kinds, picks, strict=True):
        if not letters[place].isalpha():
            continue
        if kind == 0:
            del letters[place]
        elif kind == 1:
            letters[place] = alphabet[pick]
        elif kind == 2:
            letters.insert(place, alphabet[pick])
        elif place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)
