"""Texts as sparse rows of weighted term ids; the same code weighs terms in training and serving.

``VocabularyFeatures`` keeps its terms (words, characters, word pairs of the folded text);
``HashedTrigrams`` keeps none and hashes character trigrams into a fixed table. Models read rows by
gathering and summing table rows, so a matrix library is not needed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp import gathering
from nlp.skeleton import fold, normalise
from nlp.spelling import Speller
from nlp.stemming import stem

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]

MAX_CHARS: Final = 1500  # what decides a category stands at the beginning; time stays bounded
_TOKEN: Final = re.compile(r"[^\W_]+")
_PAIR_WORDS: Final = 25
_FEW_TEXTS: Final = 5000  # above, words of a single text only make the model larger
_CHAR_SIZES: Final = (2, 3, 4, 5)
_REMEMBERED: Final = 20_000  # words whose columns are kept
_LONGEST_REMEMBERED: Final = 40


class Rows(msgspec.Struct, frozen=True):
    """Compressed sparse rows. ``indptr`` (n + 1,), ``indices`` and ``values`` (nnz,).

    The first ``words`` columns are words, where an extractor knows words.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: Floats
    width: int
    words: int = 0

    def __len__(self) -> int:
        return len(self.indptr) - 1


class Features(Protocol):
    """What a model needs of a feature extractor."""

    @property
    def width(self) -> int:
        """Number of columns."""

    def transform(self, texts: Sequence[str]) -> Rows:
        """Weighted rows of texts; each block of a row has unit length or is empty."""

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """State as named arrays."""


class VocabularyFeatures:
    """Sublinear TF-IDF of kept terms, one block each for words, characters and word pairs.

    Blocks: stems and pairs of neighbouring stems, character 2-5-grams inside word borders,
    unordered pairs of stems. Reads folded text; stems are those of the corrected words, while
    characters are taken as typed, so a wrong correction costs little.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, ch. 6 (1 + log
    tf, smoothed idf, cosine length).
    """

    BLOCKS: Final = ("words", "chars", "pairs")
    _MIN_COUNT: Final = MappingProxyType({"words": 2, "chars": 2, "pairs": 3})
    WEIGHT: Final = MappingProxyType({"words": 1.0, "chars": 1.0, "pairs": 0.7})

    def __init__(
        self, vocabularies: Mapping[str, dict[str, int]], idf: Floats, speller: Speller
    ) -> None:
        self._vocabularies = vocabularies
        self._idf = idf
        self._speller = speller
        sizes = [len(vocabulary) for vocabulary in vocabularies.values()]
        self._ends = np.cumsum(
            sizes, dtype=np.int64
        )  # columns of a block lie together, blocks in order
        self._weights = np.array([self.WEIGHT[block] for block in vocabularies])
        self._columns: dict[str, NDArray[np.int64]] = {}  # of words seen, the words come again

    @classmethod
    def fit(cls, texts: Sequence[str], *, pairs: bool) -> Self:
        """Keep the terms that occur in at least ``min_count`` of the folded texts."""
        read = [tokens(text) for text in texts]
        vocabularies: dict[str, dict[str, int]] = {}
        counts: list[int] = []
        for block in cls.BLOCKS if pairs else cls.BLOCKS[:2]:
            seen: Counter[str] = Counter()
            for words in read:
                seen.update(set(cls.terms(words, words, block)))
            kept = sorted(term for term, n in seen.items() if n >= cls.min_count(block, len(texts)))
            vocabularies[block] = {term: len(counts) + i for i, term in enumerate(kept)}
            counts += [seen[term] for term in kept]
        idf = cls.idf(np.array(counts, np.int64), len(texts))
        return cls(vocabularies, idf, Speller.fit(read))

    @classmethod
    def min_count(cls, block: str, among: int) -> int:
        """Texts that a term must stand in: 2 (pairs 3); few texts keep all of their words."""
        return 1 if block == "words" and among < _FEW_TEXTS else cls._MIN_COUNT[block]

    @staticmethod
    def terms(typed: Sequence[str], corrected: Sequence[str], block: str) -> list[str]:
        """Terms of a block of ``BLOCKS``, with repeats, of a text's words."""
        if block == "chars":
            return [term for word in typed for term in _characters(word)]
        stems = [stem(word) for word in corrected]
        if block == "pairs":
            return _pairs(stems[:_PAIR_WORDS])
        return stems + _bigrams(stems)

    @staticmethod
    def idf(documents: NDArray[np.int64], among: int) -> Floats:
        """Weights of terms that stand in so many documents ``among`` all of them."""
        return _idf(documents.astype(np.float64), among)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._idf)

    def transform(self, texts: Sequence[str]) -> Rows:
        """Weighted rows of folded texts."""
        words = len(self._vocabularies["words"])
        return _stack([self._row(text) for text in texts], self.width, words)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """``idf``, the speller's arrays and, per block, its terms as UTF-8 between line feeds."""
        arrays: dict[str, NDArray[Any]] = {"idf": self._idf, **self._speller.to_arrays()}
        for block, vocabulary in self._vocabularies.items():
            joined = "\n".join(vocabulary).encode("utf-8")
            arrays[f"terms_{block}"] = np.frombuffer(joined, np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The extractor that ``to_arrays`` described.

        Raises:
            ValueError: arrays are missing or disagree in length.
        """
        idf = _array(arrays, "idf", np.float32)
        vocabularies: dict[str, dict[str, int]] = {}
        start = 0
        for block in cls.BLOCKS:
            if f"terms_{block}" not in arrays:
                continue
            joined = _array(arrays, f"terms_{block}", np.uint8).tobytes().decode("utf-8")
            terms = joined.split("\n") if joined else []
            vocabularies[block] = {term: start + i for i, term in enumerate(terms)}
            start += len(terms)
        if start != len(idf):
            raise ValueError(f"features: {start} terms and {len(idf)} weights")
        return cls(vocabularies, idf, Speller.from_arrays(arrays))

    def _row(self, text: str) -> tuple[NDArray[np.int64], Floats]:
        typed = tokens(text)
        stems = [stem(word) for word in self._speller.correct(typed)]
        found = [self._of_word(word) for word in typed]
        joined = _lookup(self._vocabularies["words"], [*stems, *_bigrams(stems)])
        if "pairs" in self._vocabularies:
            joined += _lookup(self._vocabularies["pairs"], _pairs(stems[:_PAIR_WORDS]))
        columns = np.concatenate([np.array(joined, np.int64), *found])
        return gathering.weigh_blocks(columns, self._idf, self._ends, self._weights)

    def _of_word(self, word: str) -> NDArray[np.int64]:
        """Columns of a word's characters."""
        columns = self._columns.get(word)
        if columns is None:
            known = _lookup(self._vocabularies["chars"], _characters(word))
            columns = np.array(known, np.int64)
            if len(self._columns) >= _REMEMBERED:
                self._columns.clear()
            if len(word) <= _LONGEST_REMEMBERED:
                self._columns[word] = columns
        return columns


class HashedTrigrams:
    """TF-IDF of character trigrams hashed into a fixed number of columns.

    Reads folded text. The hash is part of the format: ``HASH_VERSION`` stands in the artefact, and
    a model of another version is refused.

    Attributes:
        idf: weight of each column ``(width,)``.
    """

    HASH_VERSION: Final = 1

    def __init__(self, idf: Floats) -> None:
        self.idf = idf

    @classmethod
    def fit(cls, texts: Sequence[str], *, width: int = 10_000) -> Self:
        """Learn the document frequency of each column from folded texts."""
        counts = np.zeros(width, np.float64)
        for text in texts:
            counts[np.unique(trigram_columns(text, width))] += 1
        return cls(_idf(counts, len(texts)))

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.idf)

    def transform(self, texts: Sequence[str]) -> Rows:
        """Weighted rows of folded texts."""
        rows = [gathering.trigram_row(self.points(text), self.idf) for text in texts]
        return _stack(rows, self.width)

    @staticmethod
    def points(text: str) -> bytes:
        """A folded text between two spaces, as far as it is read, in UTF-32."""
        return f" {text[:MAX_CHARS]} ".encode("utf-32-le", "surrogatepass")

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """``idf`` and ``hash_version``."""
        return {"idf": self.idf, "hash_version": np.array([self.HASH_VERSION], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """The extractor that ``to_arrays`` described.

        Raises:
            ValueError: an array is missing or the hash is of another version.
        """
        version = _array(arrays, "hash_version", np.int64).tolist()
        if version != [cls.HASH_VERSION]:
            raise ValueError(f"features: hash version {version}, not {cls.HASH_VERSION}")
        return cls(_array(arrays, "idf", np.float32))


def trigram_columns(text: str, width: int) -> NDArray[np.int64]:
    """Column of each character trigram of a folded text padded with one space, with repeats."""
    return gathering.trigram_columns(HashedTrigrams.points(text), width)


def no_rows(n: int) -> Rows:
    """``n`` empty rows, for models that read the texts themselves."""
    return Rows(np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), 0)


def prepare(texts: Iterable[str]) -> list[str]:
    """Folded texts without layout reading, for places that have no reader yet."""
    return [fold(normalise(text)[:MAX_CHARS]) for text in texts]


def tokens(text: str) -> list[str]:
    """Words of a folded text, as far as it is read."""
    return _TOKEN.findall(text[:MAX_CHARS])


def _bigrams(stems: Sequence[str]) -> list[str]:
    return [f"{a} {b}" for a, b in pairwise(stems)]


def _characters(word: str) -> list[str]:
    padded = f" {word} "
    length = len(padded)
    return [padded[i : i + size] for size in _CHAR_SIZES for i in range(length - size + 1)]


def _lookup(vocabulary: Mapping[str, int], terms: Iterable[str]) -> list[int]:
    return [column for column in map(vocabulary.get, terms) if column is not None]


def _pairs(stems: Sequence[str]) -> list[str]:
    distinct = sorted(set(stems))
    return [f"{a}|{b}" for i, a in enumerate(distinct) for b in distinct[i + 1 :]]


def _idf(counts: NDArray[np.float64], documents: int) -> Floats:
    return (np.log((1 + documents) / (1 + counts)) + 1).astype(np.float32)


def _weigh(counts: NDArray[np.int64], idf: Floats, weight: float) -> Floats:
    values = (1 + np.log(counts)) * idf
    length = math.sqrt(float(values @ values))
    return (values * (weight / length) if length else values).astype(np.float32)


def _join(
    ids: Sequence[NDArray[np.int64]], values: Sequence[Floats]
) -> tuple[NDArray[np.int64], Floats]:
    if not ids:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate(ids), np.concatenate(values)


def _stack(rows: Sequence[tuple[NDArray[np.int64], Floats]], width: int, words: int = 0) -> Rows:
    if len(rows) == 1:  # as most are that a customer waits for: nothing to put together
        ((ids, weights),) = rows
        return Rows(np.asarray((0, len(ids)), np.int64), ids, weights, width, words)
    indptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(ids) for ids, _ in rows], out=indptr[1:])
    indices, values = _join([ids for ids, _ in rows], [v for _, v in rows])
    return Rows(indptr, indices, values, width, words)


def _array(arrays: Arrays, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"features: array '{name}' is missing")
    array = arrays[name]
    if array.dtype != dtype:
        raise ValueError(f"features: array '{name}' is {array.dtype}")
    return array
