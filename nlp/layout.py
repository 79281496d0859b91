"""Reads text typed in the wrong keyboard layout ("ghbdtn" for "привет").

A character-trigram model of the desk's own texts judges both readings on their skeletons. The
reader is careful: it leaves short texts, codes and unknown names as they were typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from nlp import native
from nlp.skeleton import fold, normalise

Floats = NDArray[np.float32]

_ENGLISH: Final = "qwertyuiop[]asdfghjkl;'zxcvbnm,./`{}:\"<>?&"
_RUSSIAN: Final = "йцукенгшщзхъфывапролджэячсмитьбю.ехъжэбю,?"
_TO_RUSSIAN: Final = MappingProxyType(str.maketrans(_ENGLISH, _RUSSIAN))
_TO_ENGLISH: Final = MappingProxyType(
    str.maketrans(dict(reversed(list(zip(map(ord, _RUSSIAN), _ENGLISH, strict=True)))))
)
_LATIN: Final = re.compile("[a-z]+")
_CYRILLIC: Final = re.compile("[а-я]+")
# Tokens with a digit are codes and versions: no evidence of a layout.
_CODE: Final = re.compile(r"(?<!\S)\S*\d\S*")
_NUMBERED: Final = re.compile(r"\d")

_SYMBOLS: Final = 29  # a-z, digit, space, anything else
_DIGIT, _SPACE, _OTHER = 26, 27, 28
_LEAD: Final = 0.3  # nats per character by which the swapped reading must win
_DOUBTLESS: Final = 2.0  # nats per character by which it wins beyond doubt
_SLACK: Final = 0.5  # that then forgives words the desk does not know
_MIN_LETTERS: Final = 4
_SHORTEST_NAME: Final = 3  # letters
_NAME_LEAD: Final = 6.0  # nats by which a word must be likelier as typed
_FLOOR_QUANTILE: Final = 0.02
_SMOOTHING: Final = 3.0  # pseudo-counts of the lower order
_LONGEST: Final = 400  # characters judged; more cannot change the outcome


class LayoutReader:
    """Chooses between a text as typed and the same keys in the other layout.

    Source: interpolated n-gram model, Jurafsky and Martin, Speech and Language Processing, ch. 3.
    """

    def __init__(self, log_proba: Floats, floor: float, usual: float) -> None:
        self._log_proba = np.ascontiguousarray(log_proba, np.float32)
        self._floor = floor
        self._usual = usual

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Self:
        """Learn the trigrams of the desk's raw texts; without any it changes nothing."""
        folded = [f for f in (fold(text)[:_LONGEST] for text in texts) if f]
        counts = np.zeros(_SYMBOLS**3, np.float64)
        for text in folded:
            np.add.at(counts, _trigrams(text), 1.0)
        log_proba = _interpolate(counts.reshape((_SYMBOLS,) * 3))
        if not folded:
            return cls(log_proba, 0.0, 0.0)
        reader = cls(log_proba, 0.0, 0.0)
        # Beginnings, because short texts scatter more than the whole ones.
        starts = np.array([reader._score(" ".join(text.split()[:2])) for text in folded])
        floor, usual = np.quantile(starts, [_FLOOR_QUANTILE, 0.25])
        return cls(log_proba, float(floor), float(usual))

    def read(self, text: str) -> str:
        """The text as typed, or normalised and in the other layout where that is surely meant."""
        return self.choose(text)[0]

    def fold(self, text: str) -> str:
        """Skeleton of the chosen reading; saves a second folding."""
        return self.choose(text)[1]

    def to_arrays(self) -> dict[str, Floats]:
        """State as arrays: ``layout_log_proba`` (29^3,) and ``layout_limits`` (2,), in nats."""
        limits = np.array([self._floor, self._usual], np.float32)
        return {"layout_log_proba": self._log_proba, "layout_limits": limits}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The reader that ``to_arrays`` described.

        Raises:
            ValueError: an array is missing or has another shape.
        """
        try:
            log_proba = np.asarray(arrays["layout_log_proba"], np.float32)
            limits = np.asarray(arrays["layout_limits"], np.float32)
        except KeyError as error:
            raise ValueError(f"layout reader: array {error} is missing") from None
        if log_proba.shape != (_SYMBOLS**3,) or limits.shape != (2,):
            raise ValueError("layout reader: arrays of an unknown shape")
        return cls(log_proba, float(limits[0]), float(limits[1]))

    def choose(self, text: str) -> tuple[str, str]:
        """The chosen reading and its skeleton in one pass."""
        typed = fold(text)
        score = self._score(typed[:_LONGEST])
        if score >= self._usual:
            return text, typed
        normal = normalise(text[:_LONGEST])
        whole = _swap(normal)
        # Names may hide what is meant, but not so that the text is likelier as typed.
        if whole is None or self._score(fold(whole)) <= score:
            return text, typed
        swapped = self._with_names(normal, whole)
        other = fold(swapped)
        if sum(c.isalpha() for c in other) < _MIN_LETTERS:
            return text, typed
        rival = self._score(other)
        doubtless = rival > score + _DOUBTLESS
        if rival < self._floor - _SLACK * doubtless or rival < score + _LEAD:
            return text, typed
        if len(text) > _LONGEST:
            normal = normalise(text)
            swapped = self._with_names(normal, _swap(normal) or normal)
            other = fold(swapped)
        return swapped, other

    def _with_names(self, normal: str, whole: str) -> str:
        """The other layout, names left as typed: who writes one changes the layout for it."""
        words = zip(normal.split(" "), whole.split(" "), strict=True)
        return " ".join(typed if self._is_name(typed, other) else other for typed, other in words)

    def _is_name(self, typed: str, other: str) -> bool:
        """Whether a word of a swapped text is so much likelier as typed that it was meant so."""
        letters = sum(c.isalpha() for c in typed)
        if letters < _SHORTEST_NAME:
            return False
        return letters * (self._score(fold(typed)) - self._score(fold(other))) > _NAME_LEAD

    def _score(self, folded: str) -> float:
        """Mean log likelihood per character, nats."""
        if native.library is not None:
            typed = folded.encode("ascii", "replace")
            return float(native.library.score_layout(typed, self._log_proba))
        return float(self._log_proba.take(_trigrams(folded)).mean())


def _swap(normal: str) -> str | None:
    """The other layout of a one-script text, or None where no swap can be meant."""
    if native.library is not None:
        found: str | bool | None = native.library.swap(normal, _MIN_LETTERS, *_KEYS)
        if not isinstance(found, bool):
            return found
    evidence = _CODE.sub(" ", normal) if _NUMBERED.search(normal) else normal
    latin, cyrillic = "".join(_LATIN.findall(evidence)), "".join(_CYRILLIC.findall(evidence))
    if (latin and cyrillic) or len(latin) + len(cyrillic) < _MIN_LETTERS:
        return None
    return normal.translate(_TO_RUSSIAN if latin else _TO_ENGLISH)


def _code_of(byte: int) -> int:
    character = chr(byte)
    if "a" <= character <= "z":
        return byte - ord("a")
    if "0" <= character <= "9":
        return _DIGIT
    return _SPACE if character == " " else _OTHER


def _table(keys: Mapping[int, int | str]) -> NDArray[np.uint32]:
    """What each code point becomes, 0 for itself."""
    table = np.zeros(max(keys) + 1, np.uint32)
    for key, other in keys.items():
        table[key] = other if isinstance(other, int) else ord(other)
    return table


_KEYS: Final = (_table(_TO_RUSSIAN), _table(_TO_ENGLISH))
_CODES: Final = np.array([_code_of(byte) for byte in range(256)], np.int64)


def _trigrams(folded: str) -> NDArray[np.int64]:
    """Cell of each character after its two predecessors, the text padded with spaces."""
    codes = _CODES.take(np.frombuffer(f"  {folded} ".encode("ascii", "replace"), np.uint8))
    cells: NDArray[np.int64] = (codes[:-2] * _SYMBOLS + codes[1:-1]) * _SYMBOLS + codes[2:]
    return cells


def _interpolate(counts: NDArray[np.float64]) -> Floats:
    """Log p(c | a b), each order smoothed by the one below it."""
    single = (counts.sum((0, 1)) + 1) / (counts.sum() + _SYMBOLS)
    pairs = counts.sum(0)
    double = (pairs + _SMOOTHING * single) / (pairs.sum(-1, keepdims=True) + _SMOOTHING)
    triple = (counts + _SMOOTHING * double) / (counts.sum(-1, keepdims=True) + _SMOOTHING)
    return np.asarray(np.log(triple).reshape(-1), np.float32)
