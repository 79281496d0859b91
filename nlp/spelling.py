"""Reads slips of the fingers: a word the desk has never met becomes the nearest one it knows.

Words are found by what is left of them when letters are dropped, so that no list of all possible
slips is needed. Which of several near words is meant is decided by how common each is and by the
words beside it. A known word is never changed.

Source: symmetric deletion, Garbe, 2012; the noisy channel of Kernighan, Church and Gale, A spelling
correction program based on a noisy channel model, COLING 1990.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from nlp import native

_SHORTEST: Final = 3  # letters of a word that is read
_LONGEST: Final = 40  # all that a longer one leaves without two letters would fill the memory
_MOST_NEAR: Final = 1000  # equally near words that are looked at
_TWO_SLIPS_FROM: Final = 7  # letters from which two slips are likely enough
_LEAST_COUNT: Final = 2  # a word that stands in one text may be a slip itself
_MOST_WORDS: Final = 20_000  # the most common ones are offered
_BESIDE: Final = 20.0  # how much likelier a word is beside a known neighbour
_MOST_REMEMBERED: Final = 20_000


class Speller:
    """Corrects folded words by the words of a desk's own texts.

    Args:
        words: every known word.
        counts: (words,) how many texts hold each.
        beside: (pairs,) sorted hashes of the pairs of neighbours that several texts hold.
        slips: sorted hashes of what is left of the words that are offered, and which word each is
            of, as ``to_arrays`` gives them; None: they are made, which takes a moment.

    Raises:
        ValueError: a slip is of no word.
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: NDArray[np.int32],
        beside: NDArray[np.int64],
        slips: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    ) -> None:
        self._counts = dict(zip(words, counts.tolist(), strict=True))
        self._beside = beside
        common = sorted(
            (-n, word) for word, n in self._counts.items() if n >= _LEAST_COUNT and word.isalpha()
        )
        self._offered = [word for _, word in common[:_MOST_WORDS]]
        self._hashes, self._owners = slips or _slips(self._offered)
        among = self._owners if len(self._owners) else np.zeros(1, np.int64)
        if len(self._hashes) != len(self._owners) or not (
            0 <= among.min() <= among.max() < max(len(self._offered), 1)
        ):
            raise ValueError("spelling: the slips are of other words")
        joined = "".join(self._offered).encode("utf-32-le", "surrogatepass")
        self._letters = np.frombuffer(joined, np.uint32)
        self._starts = np.cumsum([0, *map(len, self._offered)], dtype=np.int64)
        self._remembered: dict[str, tuple[str, ...]] = {}

    @classmethod
    def fit(cls, texts: Iterable[Sequence[str]]) -> Self:
        """Learn from texts as lists of folded words."""
        counts: Counter[str] = Counter()
        beside: Counter[int] = Counter()
        for words in texts:
            counts.update(set(words))
            beside.update({_pair(a, b) for a, b in pairwise(words)})
        words = sorted(counts)
        known = sorted(pair for pair, n in beside.items() if n >= _LEAST_COUNT)
        return cls(words, np.array([counts[w] for w in words], np.int32), np.array(known, np.int64))

    def correct(self, words: Sequence[str]) -> list[str]:
        """The words, each unknown one replaced where a near word is known."""
        read = list(words)
        for place, word in enumerate(words):
            if word in self._counts or not _SHORTEST <= len(word) <= _LONGEST:
                continue
            if not word.isalpha():
                continue
            near = self._near(word)
            if near:
                before = read[place - 1] if place else ""
                after = words[place + 1] if place + 1 < len(words) else ""
                read[place] = max(near, key=lambda w: (self._weight(before, w, after), w))
        return read

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """``spelling_words`` (UTF-8, line feeds between), ``..._counts``, ``..._beside``, slips."""
        joined = "\n".join(self._counts).encode("utf-8")
        return {
            "spelling_words": np.frombuffer(joined, np.uint8),
            "spelling_counts": np.fromiter(self._counts.values(), np.int32, len(self._counts)),
            "spelling_beside": self._beside,
            "spelling_slips": self._hashes.astype(np.uint32),
            "spelling_owners": self._owners.astype(np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The speller that ``to_arrays`` described.

        Raises:
            ValueError: an array is missing, or they disagree in length.
        """
        try:
            joined = arrays["spelling_words"].tobytes().decode("utf-8")
            counts, beside = arrays["spelling_counts"], arrays["spelling_beside"]
        except KeyError as error:
            raise ValueError(f"spelling: array {error} is missing") from None
        words = joined.split("\n") if joined else []
        if len(words) != len(counts):
            raise ValueError(f"spelling: {len(words)} words and {len(counts)} counts")
        slips = None
        if "spelling_slips" in arrays and "spelling_owners" in arrays:  # not in older files
            hashes, owners = arrays["spelling_slips"], arrays["spelling_owners"]
            slips = hashes.astype(np.int64), owners.astype(np.int64)
        return cls(words, counts.astype(np.int32), beside.astype(np.int64), slips)

    def _weight(self, before: str, word: str, after: str) -> float:
        """How likely the word is here, up to a factor."""
        known = self._known_pair(before, word) + self._known_pair(word, after)
        return float(self._counts[word] * (1 + _BESIDE) ** known)

    def _known_pair(self, a: str, b: str) -> bool:
        if not a or not b:
            return False
        pair = _pair(a, b)
        place = int(np.searchsorted(self._beside, pair))
        return place < len(self._beside) and int(self._beside[place]) == pair

    def _near(self, word: str) -> tuple[str, ...]:
        """Offered words at the least distance within reach."""
        found = self._remembered.get(word)
        if found is None:
            found = self._search(word)
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[word] = found
        return found

    def _search(self, word: str) -> tuple[str, ...]:
        reach = 2 if len(word) >= _TWO_SLIPS_FROM else 1
        if native.library is not None:
            places = np.empty(_MOST_NEAR, np.int64)
            found = native.library.near_words(
                word.encode("utf-32-le", "surrogatepass"), self._hashes, self._owners,
                self._letters, self._starts, places, reach,
            )  # fmt: skip
            return tuple(sorted(self._offered[place] for place in places[:found].tolist()))
        wanted = _hashes(word)
        low = np.searchsorted(self._hashes, wanted, side="left")
        high = np.searchsorted(self._hashes, wanted, side="right")
        owners = {
            owner
            for start, stop in zip(low.tolist(), high.tolist(), strict=True)
            for owner in self._owners[start:stop].tolist()
        }
        nearest: list[str] = []
        for owner in owners:
            distance = _distance(word, self._offered[owner], reach)
            if distance < reach:
                reach, nearest = distance, []
            if distance == reach:
                nearest.append(self._offered[owner])
        return tuple(sorted(nearest))


def _slips(words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted hashes of the words with letters dropped, and the place of the word of each."""
    parts = [_hashes(word) for word in words]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    hashes = np.concatenate([*parts, np.empty(0, np.int64)])
    order = np.argsort(hashes, kind="stable")
    return hashes[order], owners[order]


def _hashes(word: str) -> NDArray[np.int64]:
    """Hashes of a word and of what is left of it without one letter, or two of a longer one."""
    left = {word} | _dropped(word)
    if _TWO_SLIPS_FROM <= len(word) <= _LONGEST:
        left |= {shorter for one in tuple(left) for shorter in _dropped(one)}
    return np.fromiter((zlib.crc32(part.encode()) for part in left), np.int64, len(left))


def _dropped(word: str) -> set[str]:
    return {word[:i] + word[i + 1 :] for i in range(len(word))}


def _pair(a: str, b: str) -> int:
    return zlib.crc32(a.encode()) << 31 | zlib.crc32(b.encode()) >> 1


def _distance(a: str, b: str, most: int) -> int:
    """Letters dropped, added, replaced or swapped with the next; above ``most`` any larger number.

    Source: optimal string alignment, a restriction of Damerau, A technique for computer detection
    and correction of spelling errors, CACM 1964.
    """
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    # One slip leaves at most a swapped pair between equal ends.
    if abs(len(a) - len(b)) > most or (most == 1 and min(len(a), len(b)) > 2):
        return most + 1
    older: list[int] = []
    old = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            best = min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, older[j - 2] + 1)
            row.append(best)
        older, old = old, row
    return old[-1]
