"""Content recommendations: "find the pages that this page links to", from what it says alone.

Each page is asked as an item of the catalogue is: its strongest tags against the whole index. The
links are read for nothing but the score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from admin.evaluate.corpus import BadLine, read_lines, text_of
from admin.evaluate.judging import latency, rounded
from bot.errors import BadData
from index.profiles import Item, ProfileIndex
from nlp.tags import Page, TagReader
from nlp.text import stem_of, stems

_FOUND: Final = 10
_LEAST_CHARACTERS: Final = 100  # of a page's text; there is nothing to read in less
_K1, _B = 1.5, 0.75
STEMMERS: Final = ("snowball", "porter")

Ranking = Callable[[int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class LinkedPage:
    """A page of the file; ``links`` are paths of pages in the same language."""

    language: str
    page: Page
    links: tuple[str, ...]
    characters: int


def read_pages(path: Path) -> dict[str, list[LinkedPage]]:
    """Pages with something to read, by language.

    JSONL, packed with gzip or not: ``lang``, ``path`` (unique in its language), ``text``, ``links``
    (a list of paths), and where there are any ``title``, ``h1``, ``headings`` (a list) and
    ``chars`` (length of the whole text, where ``text`` is only its beginning).

    Raises:
        BadData: the file cannot be read or a line cannot be used; the text says which and why.
    """
    pages: dict[str, list[LinkedPage]] = {}
    for page in read_lines(path, _page):
        if page.characters >= _LEAST_CHARACTERS:
            pages.setdefault(page.language, []).append(page)
    for language, found in pages.items():
        paths = [one.page.path for one in found]
        if len(set(paths)) < len(paths):
            twice = next(one for one in paths if paths.count(one) > 1)
            raise BadData(f"{path}: the path '{twice}' stands on several lines of '{language}'.")
    if not pages:
        raise BadData(f"{path}: no page has a text of {_LEAST_CHARACTERS} characters.")
    return pages


def evaluate(
    pages: dict[str, list[LinkedPage]], *, tags: int, stemmer: str = "snowball"
) -> dict[str, Any]:
    """``recall_at_10`` and ``query_ms`` of ours and of peers, by language.

    A page without a name is never recommended, but may ask.

    Args:
        pages: by language.
        tags: most tags of a profile.
        stemmer: ``snowball`` or ``porter``.

    Raises:
        BadData: no page links to another.
    """
    stem = stem_of if stemmer == "snowball" else import_module("nltk.stem").PorterStemmer().stem
    found = {}
    for language, some in sorted(pages.items()):
        truth = _truth(some)
        if not any(truth):
            continue
        found[language] = {
            "pages": len(some),
            "asked": sum(1 for right in truth if right),
            "tags": tags,
            "ours": _judge(_ours(some, tags, stem), truth),
            "peers": {
                "bm25s": _judge(_bm25s(some, 0), truth),
                f"bm25s_{tags}_stems": _judge(_bm25s(some, tags), truth),
            },
        }
    if not found:
        raise BadData("No page links to another page of its language.", remedy="See --help.")
    return dict(rounded(found))


def _page(row: dict[str, Any]) -> LinkedPage:
    text = text_of(row, "text", required=False)
    return LinkedPage(
        language=text_of(row, "lang", required=True),
        page=Page(
            title=text_of(row, "title", required=False),
            h1=text_of(row, "h1", required=False),
            headings=_texts(row, "headings"),
            text=text,
            path=text_of(row, "path", required=True),
        ),
        links=_texts(row, "links"),
        characters=row["chars"] if isinstance(row.get("chars"), int) else len(text),
    )


def _texts(row: dict[str, Any], key: str) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadLine(f"'{key}' is not a list of texts")
    return tuple(value)


def _truth(pages: Sequence[LinkedPage]) -> list[frozenset[int]]:
    """Numbers of the pages that each page links to."""
    places = {one.page.path: number for number, one in enumerate(pages)}
    return [
        frozenset(places[link] for link in one.links if link in places) - {number}
        for number, one in enumerate(pages)
    ]


def _judge(rank: Ranking, truth: Sequence[frozenset[int]]) -> dict[str, Any]:
    shares, times_ms = [], []
    for number, right in enumerate(truth):
        if right:
            began = time.perf_counter()
            found = rank(number)
            times_ms.append((time.perf_counter() - began) * 1e3)
            shares.append(len(right.intersection(found)) / len(right))
    return {"recall_at_10": float(np.mean(shares)), "query_ms": latency(times_ms)}


def _ours(pages: Sequence[LinkedPage], most: int, stem: Callable[[str], str]) -> Ranking:
    reader, index = TagReader(stem), ProfileIndex()
    readings = [reader.read(one.page) for one in pages]
    for reading in readings:
        reader.learn(reading)
    index.put(
        [
            Item(number, tagged.tags, tagged.weights)
            for number, tagged in enumerate(map(reader.item_tags, readings))
            if pages[number].page.title or pages[number].page.h1
        ]
    )
    profiles = [reader.profile_tags(reading, most) for reading in readings]

    def rank(number: int) -> list[int]:
        own = profiles[number]
        weights = own.weights * reader.vocabulary.rarity(own.tags)
        found = index.search(own.tags, weights, _FOUND, leave_out=[number])
        return [key for key, _ in found]

    return rank


def _bm25s(pages: Sequence[LinkedPage], most: int) -> Ranking:
    """BM25 of the package over stems; asked with all of a page's, or with so many of the rarest."""
    texts = [stems(" ".join((p.title, *p.headings, p.text))) for p in (one.page for one in pages)]
    model: Any = import_module("bm25s").BM25(k1=_K1, b=_B)
    model.index(texts, show_progress=False)
    df: dict[str, int] = {}
    for text in texts:
        for stem in set(text):
            df[stem] = df.get(stem, 0) + 1

    def query(text: list[str]) -> list[str]:
        if not most:
            return text
        counts = {stem: text.count(stem) for stem in dict.fromkeys(text)}
        weight = {s: (1 + np.log(n)) * np.log(len(pages) / df[s]) for s, n in counts.items()}
        kept = set(sorted(weight, key=lambda stem: -weight[stem])[:most])
        return [stem for stem in text if stem in kept]

    queries = [query(text) for text in texts]

    def rank(number: int) -> list[int]:
        if not queries[number]:
            return []
        scores = np.array(model.get_scores(queries[number]))
        scores[number] = -1.0
        best = np.argpartition(-scores, min(_FOUND, len(scores) - 1))[:_FOUND]
        return [int(one) for one in best if scores[one] > 0]

    return rank
