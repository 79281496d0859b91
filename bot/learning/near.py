"""Which texts are nearly the same as another: the sets of their character shingles overlap.

Source: Broder, On the resemblance of documents, 1997; the search compares only sets that share one
of their rarest members (Chaudhuri et al., ICDE 2006; Bayardo et al., WWW 2007).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from nlp.text import words

_SIZE: Final = 4  # characters
_LIKE: Final = 0.8  # of the union that two sets share
_MOST_CHARS: Final = 1500


def text_key(text: str) -> str:
    """A text without case, punctuation and spacing: equal keys are the same text."""
    return " ".join(words(text))


def near_duplicates(texts: Sequence[str], known: Sequence[str]) -> set[int]:
    """Places of the ``texts`` that are, but for little, one of ``known``."""
    sets, known_sets = ([_shingles(text) for text in one] for one in (texts, known))
    counts: Counter[str] = Counter()
    for one in (*sets, *known_sets):
        counts.update(one)
    index: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(known_sets):
        for shingle in _rarest(one, counts):
            index[shingle].append(place)
    found = set()
    for place, one in enumerate(sets):
        rivals = {rival for shingle in _rarest(one, counts) for rival in index.get(shingle, ())}
        if any(_alike(one, known_sets[rival]) for rival in rivals):
            found.add(place)
    return found


def _shingles(text: str) -> frozenset[str]:
    padded = f" {text_key(text)[:_MOST_CHARS]} "
    return frozenset(padded[i : i + _SIZE] for i in range(max(len(padded) - _SIZE + 1, 1)))


def _rarest(shingles: frozenset[str], counts: Counter[str]) -> list[str]:
    """So many of the rarest that two sets which are alike share at least one of them."""
    ordered = sorted(shingles, key=lambda shingle: (counts[shingle], shingle))
    return ordered[: len(ordered) - math.ceil(_LIKE * len(ordered)) + 1]


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    shared = len(one & other)
    return shared >= _LIKE * (len(one) + len(other) - shared)
