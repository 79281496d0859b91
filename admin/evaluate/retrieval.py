"""What one would take instead of the ranker: BM25, TF-IDF, the most similar past question, RRF.

Every peer gives each distinct answer text a score; which answers are searched and what is right is
the business of the caller. BM25 over words and stems is that of ``bm25s`` where it is installed,
else our own index with the same formula and parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from admin.evaluate.peers import tfidf
from index.lexical import LexicalIndex
from nlp.terms import char_terms, stem_terms
from nlp.text import stems, words

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_K1: Final = 1.5
_B: Final = 0.75
_RRF_CONSTANT: Final = 60.0  # as in its paper
# Past questions spoil a plain fusion where they are of other answers: both are shown.
_RRF: Final = MappingProxyType({
    "rrf": ("bm25_stems", "bm25_chars", "past_questions"),
    "rrf_answers": ("bm25_stems", "bm25_chars"),
})  # fmt: skip


class Searcher(Protocol):
    """Scores of all answers for a question."""

    @property
    def size_bytes(self) -> int:
        """What the index takes."""

    def scores(self, text: str) -> Floats:
        """Shape ``(answers,)``; 0 where nothing is shared."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A searcher and the seconds it took to build."""

    searcher: Searcher
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is searched: answers, and past questions with the number of their answer."""

    bodies: Sequence[str]
    asked: Sequence[str]
    owners: Ids


def engine() -> str:
    """Which BM25 ranks words and stems."""
    return "bm25s" if find_spec("bm25s") is not None else "own index, same formula"


def build_peers(shelf: Shelf) -> dict[str, Peer]:
    """All peers by name."""
    word_index: Callable[[], Searcher]
    stem_index: Callable[[], Searcher]
    if find_spec("bm25s") is not None:
        word_index = lambda: _Bm25s(shelf.bodies, words)  # noqa: E731
        stem_index = lambda: _Bm25s(shelf.bodies, stems)  # noqa: E731
    else:
        word_index = lambda: _Bm25(shelf.bodies, _word_terms())  # noqa: E731
        stem_index = lambda: _Bm25(shelf.bodies, stem_terms)  # noqa: E731
    builders: dict[str, Callable[[], Searcher]] = {
        "bm25_words": word_index,
        "bm25_stems": stem_index,
        "bm25_chars": lambda: _Bm25(shelf.bodies, char_terms),
        "tfidf_cosine": lambda: _Tfidf(Shelf(shelf.bodies, (), np.zeros(0, np.int64))),
        "tfidf_cosine_past": lambda: _Tfidf(shelf),
        "past_questions": lambda: _Past(shelf),
    }
    built = {name: _timed(build) for name, build in builders.items()}
    fused = {name: _fuse([built[part] for part in parts]) for name, parts in _RRF.items()}
    return built | fused


def _fuse(parts: Sequence[Peer]) -> Peer:
    return Peer(_Fused([part.searcher for part in parts]), sum(part.cpu_s for part in parts))


def _timed(build: Callable[[], Searcher]) -> Peer:
    began = time.process_time()
    searcher = build()
    return Peer(searcher, time.process_time() - began)


def _word_terms() -> Callable[[str], Ids]:
    """Numbers of words, given as they come; unknown words of questions get new ones."""
    numbers: dict[str, int] = {}

    def terms(text: str) -> Ids:
        return np.asarray([numbers.setdefault(w, len(numbers)) for w in words(text)], np.int64)

    return terms


class _Bm25:
    """BM25 of our own index over any terms."""

    def __init__(self, documents: Sequence[str], terms: Callable[[str], Ids]) -> None:
        self._terms = terms
        self._index = LexicalIndex("bm25", k1=_K1, b=_B)
        self._index.add([terms(text) for text in documents])
        self._index.scores(terms(documents[0]))  # what is built on demand is built here

    @property
    def size_bytes(self) -> int:
        return _bytes(self._index.to_arrays())

    def scores(self, text: str) -> Floats:
        return self._index.scores(self._terms(text))


class _Bm25s:
    """BM25 of the package ``bm25s``, with its own defaults of k1 and b (1.5 and .75)."""

    def __init__(self, documents: Sequence[str], tokens: Callable[[str], list[str]]) -> None:
        self._tokens = tokens
        self._model: Any = import_module("bm25s").BM25(k1=_K1, b=_B)
        self._model.index([tokens(text) for text in documents], show_progress=False)
        self._known = set(self._model.vocab_dict)
        self._rows = len(documents)

    @property
    def size_bytes(self) -> int:
        return sum(
            int(part.nbytes) for part in self._model.scores.values() if hasattr(part, "nbytes")
        )

    def scores(self, text: str) -> Floats:
        known = [token for token in self._tokens(text) if token in self._known]
        if not known:
            return np.zeros(self._rows, np.float32)
        return np.asarray(self._model.get_scores(known), np.float32)


class _Tfidf:
    """Cosine of word TF-IDF with the answer or the nearest of its past questions."""

    def __init__(self, shelf: Shelf) -> None:
        self._rows = len(shelf.bodies)
        self._owners = np.concatenate([np.arange(self._rows), shelf.owners])
        self._vectoriser, self._matrix = tfidf([*shelf.bodies, *shelf.asked])

    @property
    def size_bytes(self) -> int:
        return int(self._matrix.data.nbytes + self._matrix.indices.nbytes)

    def scores(self, text: str) -> Floats:
        found = (self._matrix @ self._vectoriser.transform([text]).T).toarray()[:, 0]
        return _best_of(found, self._owners, self._rows)


class _Past:
    """Cosine of stems and characters with the nearest past question."""

    def __init__(self, shelf: Shelf) -> None:
        self._rows = len(shelf.bodies)
        self._owners = shelf.owners
        self._stems, self._chars = LexicalIndex("cosine"), LexicalIndex("cosine")
        self._stems.add([stem_terms(text) for text in shelf.asked])
        self._chars.add([char_terms(text) for text in shelf.asked])
        self.scores("")

    @property
    def size_bytes(self) -> int:
        return _bytes(self._stems.to_arrays()) + _bytes(self._chars.to_arrays())

    def scores(self, text: str) -> Floats:
        likeness = self._stems.scores(stem_terms(text)) + self._chars.scores(char_terms(text))
        return _best_of(likeness / 2, self._owners, self._rows)


class _Fused:
    """Reciprocal rank fusion with equal weights.

    Source: Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet, SIGIR 2009.
    """

    def __init__(self, parts: Sequence[Searcher]) -> None:
        self._parts = parts

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self._parts)

    def scores(self, text: str) -> Floats:
        total: Floats | None = None
        for part in self._parts:
            found = part.scores(text)
            order = np.argsort(-found, kind="stable")
            share = np.zeros(len(found), np.float32)
            share[order] = 1.0 / (_RRF_CONSTANT + 1.0 + np.arange(len(found)))
            share[found <= 0] = 0.0
            total = share if total is None else total + share
        return total if total is not None else np.zeros(0, np.float32)


def _best_of(found: NDArray[np.floating], owners: Ids, rows: int) -> Floats:
    best = np.zeros(rows, np.float32)
    np.maximum.at(best, owners, found.astype(np.float32))
    return best


def _bytes(arrays: Mapping[str, NDArray[np.generic]]) -> int:
    return sum(int(array.nbytes) for array in arrays.values())
