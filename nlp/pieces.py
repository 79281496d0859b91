"""Folded texts as words of hashed character n-grams: what the networks over sequences read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.features import tokens

Ints = NDArray[np.int64]

HASH_VERSION: Final = 1
ALPHABET: Final = 64  # codes of characters
_SIZES: Final = (3, 4, 5)
_PRIME: Final = np.uint64(0x100000001B3)


class Pieces(msgspec.Struct, frozen=True):
    """Texts as words, words as hashed pieces and as characters; all flat, in order.

    A text without words has one empty word, so every text has a word and every word a piece.

    Attributes:
        ids: table row of each piece (pieces,).
        sizes: pieces of each word (words,).
        chars: code of each character of the words, a space before and after each (chars,).
        lengths: characters of each word with its two spaces (words,).
        counts: words of each text (texts,).
    """

    ids: Ints
    sizes: Ints
    chars: Ints
    lengths: Ints
    counts: Ints


def read_pieces(texts: Sequence[str], buckets: int, most_words: int) -> Pieces:
    """The first words of folded texts.

    Pieces of a word are its character 3-5-grams with its borders, and the whole word.

    Source: subword vectors of Bojanowski et al., Enriching word vectors with subword information,
    TACL 2017; FNV-1 mixing of Fowler, Noll and Vo, finished as in Steele et al., OOPSLA 2014.
    """
    found = [read_words(text, most_words) for text in texts]
    words = [word for row in found for word in row]
    raw = "".join(f" {word} " for word in words).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(raw, np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, words), np.int64, len(words)) + 2
    ends = np.cumsum(lengths)
    owner = np.repeat(np.arange(len(words)), lengths)
    room = ends[owner] - np.arange(len(points))  # characters up to the end of the word
    keys = [_whole(points, ends - lengths, room, lengths)]
    owners = [np.arange(len(words))]
    key = points + np.uint64(1)
    for size in range(2, max(_SIZES) + 1):
        # A key runs over the end of its word where there is no room; those are left out.
        key = key[:-1] * _PRIME ^ points[size - 1 :]
        if size in _SIZES:
            inside = np.flatnonzero(room[: len(key)] >= size)
            keys.append(key[inside] * np.uint64(8) + np.uint64(size))
            owners.append(owner[inside])
    owned = np.concatenate(owners)
    order = np.argsort(owned, kind="stable")
    return Pieces(
        ids=_mix(np.concatenate(keys)[order], buckets),
        sizes=np.bincount(owned, minlength=len(words)).astype(np.int64),
        chars=_codes(points),
        lengths=lengths,
        counts=np.fromiter(map(len, found), np.int64, len(found)),
    )


def read_words(text: str, most: int) -> list[str]:
    """The first words of a folded text; one empty word where there is none."""
    return tokens(text)[:most] or [""]


def has_words(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Whether there is anything to read in each folded text."""
    found = (bool(tokens(text)) for text in texts)
    return np.fromiter(found, np.bool_, len(texts))


def _whole(
    points: NDArray[np.uint64], starts: Ints, room: Ints, lengths: Ints
) -> NDArray[np.uint64]:
    """A polynomial of each word's characters."""
    powers = np.cumprod(np.full(int(lengths.max()) + 1, _PRIME, np.uint64))
    return np.asarray(np.add.reduceat(points * powers[room], starts) * np.uint64(8), np.uint64)


def _mix(key: NDArray[np.uint64], buckets: int) -> Ints:
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((key ^ (key >> np.uint64(31))) % np.uint64(buckets)).astype(np.int64)


def _codes(points: NDArray[np.uint64]) -> Ints:
    """0 space, 1-26 letters of the skeleton, 27-36 digits, the rest spread over what is left."""
    codes = 37 + points % np.uint64(ALPHABET - 37)
    codes[points == ord(" ")] = 0
    letters = (points >= ord("a")) & (points <= ord("z"))
    codes[letters] = points[letters] - np.uint64(ord("a") - 1)
    digits = (points >= ord("0")) & (points <= ord("9"))
    codes[digits] = points[digits] - np.uint64(ord("0") - 27)
    return codes.astype(np.int64)
