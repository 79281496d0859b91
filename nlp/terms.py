"""A text as hashed term ids: stems, character 3-5-grams, trigrams, unordered stem pairs.

Ids are non-negative ``int64`` and depend on nothing but the text, so an index or a model that was
saved by one process is read by the next. Collisions of the 32-bit hash are about one in a corpus
of 100,000 distinct terms and are left alone.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.text import stems, words

Ids = NDArray[np.int64]

# A question is read up to here: what matters stands at its beginning, and time stays bounded.
MAX_CHARS = 2000
PAIR_WINDOW = 5
_LONGEST_KNOWN = 40
_CHAR_SIZES = (3, 4, 5)
_MASK = np.uint64((1 << 63) - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Terms(msgspec.Struct, frozen=True):
    """All terms of one text, each array with repeats and in the order of the text."""

    stems: Ids
    chars: Ids
    pairs: Ids


class _Word(msgspec.Struct, frozen=True):
    stems: Ids
    chars: Ids
    trigrams: Ids


def read_terms(text: str, *, limit: int | None = None) -> Terms:
    """Every kind of term in one pass over the first ``limit`` characters (None: all)."""
    parts = [_word(word) for word in words(text if limit is None else text[:limit])]
    ids = _join([part.stems for part in parts])
    return Terms(ids, _join([part.chars for part in parts]), _pairs(ids))


def stem_terms(text: str) -> Ids:
    """Ids of the stems."""
    return _join([_word(word).stems for word in words(text)])


def char_terms(text: str) -> Ids:
    """Ids of the character 3-5-grams; a gram never crosses a word border."""
    return _join([_word(word).chars for word in words(text)])


def pair_terms(text: str) -> Ids:
    """Ids of unordered pairs of stems that stand within five words."""
    return _pairs(stem_terms(text))


def tower_terms(text: str) -> Ids:
    """Ids a tower reads: stems and character trigrams."""
    parts = [_word(word) for word in words(text)]
    return _join([part.stems for part in parts] + [part.trigrams for part in parts])


def word_terms(word: str) -> Ids:
    """Those of one of the words of a normal text."""
    part = _word(word)
    return np.concatenate([part.stems, part.trigrams])


def word_stems(word: str) -> tuple[int, ...]:
    """Stem ids of one surface word, rising, to say which words of a question an answer shares."""
    return tuple(sorted(set(_word(word).stems.tolist())))


def stem_ids(word: str) -> tuple[int, ...]:
    """``word_stems`` of a word that may never be met in a text, without what else it holds."""
    return tuple(sorted({_hash(f"s{stem}") for stem in stems(word)}))


def _word(word: str) -> _Word:
    return _known_word(word) if len(word) <= _LONGEST_KNOWN else _read_word(word)


@lru_cache(maxsize=65536)
def _known_word(word: str) -> _Word:
    """Words come again and again; what no word is as long as would only fill memory."""
    return _read_word(word)


def _read_word(word: str) -> _Word:
    grams = _grams(f" {word} ")
    trigrams = grams[: len(word) + 3 - _CHAR_SIZES[0]]
    return _Word(_ids([_hash(f"s{stem}") for stem in stems(word)]), grams, trigrams)


def _grams(padded: str) -> Ids:
    """Hashes of the character n-grams of a word between spaces, shorter ones first."""
    if native.library is None:
        return _ids([
            _hash(f"{size}{padded[i : i + size]}")
            for size in _CHAR_SIZES
            for i in range(len(padded) - size + 1)
        ])  # fmt: skip
    grams = np.empty(sum(max(len(padded) - size + 1, 0) for size in _CHAR_SIZES), np.int64)
    native.library.hash_grams(padded.encode("utf-32-le", "surrogatepass"), grams)
    grams.setflags(write=False)
    return grams


def _hash(token: str) -> int:
    return zlib.crc32(token.encode("utf-8", "surrogatepass"))


def _ids(values: list[int]) -> Ids:
    array = np.asarray(values, dtype=np.int64)
    array.setflags(write=False)
    return array


def _join(arrays: list[Ids]) -> Ids:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _pairs(ids: Ids) -> Ids:
    if native.library is not None:
        pairs = np.empty((PAIR_WINDOW - 1) * len(ids), np.int64)
        return pairs[: native.library.pair_terms(ids, PAIR_WINDOW, pairs)]
    found = []
    for step in range(1, min(PAIR_WINDOW, len(ids))):
        first, second = ids[:-step], ids[step:]
        low = np.minimum(first, second).astype(np.uint64)
        high = np.maximum(first, second).astype(np.uint64)
        # Wrap-around multiplication is the mixing step of the hash, not an accident.
        mixed = (low * _MIX) ^ (high + (low << np.uint64(7)))
        found.append(((mixed ^ (mixed >> np.uint64(29))) & _MASK).astype(np.int64))
    return _join(found)
