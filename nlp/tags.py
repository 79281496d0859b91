"""Tags of a page: stems, names of other pages that it mentions, and the places it lies in.

Which words tell something is learnt from the pages themselves, see ``TagVocabulary.rarity``. A name
is the title or a heading of some page; a page that mentions the names of others is about them, more
surely than by any word it shares with them. Tags are integers for whoever finds or keeps them.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.tag_vocabulary import Kind, TagVocabulary
from nlp.text import stem_of, words

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# What is read of a page; a title of a megabyte is cut here before anything else looks at it.
MAX_TITLE: Final = 500
MAX_TEXT: Final = 20_000
MAX_HEADINGS: Final = 200
_MAX_PLACES: Final = 8
_LEAST_WORDS, _MOST_WORDS = 2, 12  # of a name
_KNOWN_WORDS: Final = 100_000
_MARKUP: Final = re.compile(r"<[^<>]{0,200}>")
# Chosen on one half of the pages of a documentation in two languages, see docs/log.md.
_HEADING: Final = 0.3  # of an item that has a name as a heading and not as its title
_PLACE: Final = 0.14
_LENGTH: Final = 0.5  # power of the length that an item's stems are divided by; 1 is a cosine


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to read; anything may be empty. ``path`` is ``section/subsection/page``."""

    title: str = ""
    h1: str = ""
    headings: Sequence[str] = ()
    text: str = ""
    path: str = ""


class Tagged(msgspec.Struct, frozen=True):
    """Distinct tags with their weights, shape ``(n,)`` each."""

    tags: Ids
    weights: Floats


class Reading(msgspec.Struct):
    """A page as numbers.

    Attributes:
        known_only: tags that no page so far has were left out.
        counts: how often each stem stands in it.
        names: its own, 1 for a title and less for a heading.
        parts: stems of each heading and of the text, in order.
        places: from the outermost.
        forms: words that were read, by stem.
        written: names as they are written.
    """

    known_only: bool = False
    counts: Counter[int] = msgspec.field(default_factory=Counter)
    names: dict[int, float] = msgspec.field(default_factory=dict)
    parts: list[list[int]] = msgspec.field(default_factory=list)
    places: list[int] = msgspec.field(default_factory=list)
    forms: dict[int, str] = msgspec.field(default_factory=dict)
    written: dict[int, str] = msgspec.field(default_factory=dict)


class TagReader:
    """Reads pages into tags and learns from them how rare each tag is.

    Args:
        stem: of a word.

    Attributes:
        vocabulary: the tags.
    """

    def __init__(self, stem: Callable[[str], str] = stem_of) -> None:
        self._stem = stem
        self.vocabulary = TagVocabulary()
        self._by_word: dict[str, int] = {}
        self._names: dict[tuple[int, ...], int] = {}
        self._lengths: dict[int, set[int]] = {}  # of names, by their first stem

    def read(self, page: Page, *, known_only: bool = False) -> Reading:
        """The page as numbers; nothing is learnt from it.

        Args:
            page: what there is.
            known_only: leave out what no page so far has, so that whoever sends pages without end
                fills no memory.
        """
        reading = Reading(known_only)
        titles = dict.fromkeys((page.title[:MAX_TITLE], page.h1[:MAX_TITLE]))
        for text in titles:
            self._read_name(reading, text, 1.0)
        for text in page.headings[:MAX_HEADINGS]:
            reading.parts.append(self._read_name(reading, text[:MAX_TITLE], _HEADING))
        reading.parts.append(self._read_text(reading, page.text[:MAX_TEXT]))
        sections = [part for part in page.path.split("/")[:-1] if part][:_MAX_PLACES]
        for depth in range(len(sections)):
            place = self._tag(reading, Kind.PLACE, "/".join(sections[: depth + 1]))
            if place is not None:
                reading.places.append(place)
        return reading

    def learn(self, reading: Reading) -> None:
        """Count a page among those that rarity is learnt from."""
        self.vocabulary.count({*reading.counts, *reading.names, *reading.places}, 1)
        for tag, text in (*reading.forms.items(), *reading.written.items()):
            self.vocabulary.vote(tag, text)

    def forget(self, tags: Iterable[int]) -> None:
        """Take a page that was learnt out again; its tags are those of ``item_tags``."""
        self.vocabulary.count(tags, -1)

    def item_tags(self, reading: Reading) -> Tagged:
        """All tags that the page is found by, with strengths.

        Stems by damped counts and the page's length, without rarity: whoever asks brings that.
        """
        counts = reading.counts
        strengths = {stem: 1.0 + math.log(number) for stem, number in counts.items()}
        length = _length(strengths.values()) ** _LENGTH
        return _tagged(
            {stem: one / length for stem, one in strengths.items()}
            | reading.names
            | dict.fromkeys(reading.places, 1.0)
        )

    def profile_tags(self, reading: Reading, most: int) -> Tagged:
        """The tags that say most of what the page is about, strongest first.

        Stems as a unit vector of damped counts times rarity; a name that it mentions by its rarity,
        which is more than a stem of a long page has.
        """
        names = dict.fromkeys(self._mentions(reading))
        rarity = self._rarity([*reading.counts, *names])
        stems = {
            stem: (1.0 + math.log(number)) * rarity[stem]
            for stem, number in reading.counts.items()
            if rarity[stem] > 0
        }
        length = _length(stems.values())
        found = {stem: one / length for stem, one in stems.items()}
        found |= {name: rarity[name] for name in names if rarity[name] > 0}
        found |= dict.fromkeys(reading.places, _PLACE)
        best = sorted(found, key=lambda tag: -found[tag])[:most]
        return _tagged({tag: found[tag] for tag in best})

    def _rarity(self, tags: list[int]) -> dict[int, float]:
        found = self.vocabulary.rarity(np.asarray(tags, np.int64)).tolist()
        return dict(zip(tags, found, strict=True))

    def _read_name(self, reading: Reading, text: str, strength: float) -> list[int]:
        """Read a title or a heading; gives its stems."""
        stems = self._read_text(reading, text)
        if _LEAST_WORDS <= len(stems) <= _MOST_WORDS:
            name = self._name(reading, tuple(stems))
            if name is not None:
                reading.names.setdefault(name, strength)
                reading.written.setdefault(name, " ".join(_plain(text).split()))
        return stems

    def _read_text(self, reading: Reading, text: str) -> list[int]:
        found = []
        for word in words(_plain(text)) if text else ():
            stem = self._by_word.get(word)
            if stem is None:
                if len(word) < 2 or word.isdigit():
                    continue
                stem = self._tag(reading, Kind.STEM, self._stem(word))
                if stem is None:
                    continue
                if len(self._by_word) >= _KNOWN_WORDS:
                    self._by_word.clear()
                self._by_word[word] = stem
            found.append(stem)
            reading.forms[stem] = word
        reading.counts.update(found)
        return found

    def _tag(self, reading: Reading, kind: Kind, key: str) -> int | None:
        if reading.known_only:
            return self.vocabulary.find(kind, key)
        return self.vocabulary.number(kind, key)

    def _name(self, reading: Reading, stems: tuple[int, ...]) -> int | None:
        name = self._names.get(stems)
        if name is None and not reading.known_only:
            key = " ".join(map(self.vocabulary.key, stems))
            name = self._names[stems] = self.vocabulary.number(Kind.NAME, key)
            self._lengths.setdefault(stems[0], set()).add(len(stems))
        return name

    def _mentions(self, reading: Reading) -> Iterator[int]:
        """Names of others in the page, of those that begin at one place the longest."""
        for part in reading.parts:
            place = 0
            while place < len(part):
                step = 1
                for size in sorted(self._lengths.get(part[place], ()), reverse=True):
                    name = self._names.get(tuple(part[place : place + size]))
                    if name is not None and place + size <= len(part):
                        step = size
                        if name not in reading.names:
                            yield name
                        break
                place += step


def _plain(text: str) -> str:
    """Text without entities and mark-up."""
    return _MARKUP.sub(" ", html.unescape(text)) if "&" in text or "<" in text else text


def _length(values: Iterable[float]) -> float:
    """Euclidean length, 1 for nothing."""
    return math.sqrt(sum(one * one for one in values)) or 1.0


def _tagged(found: dict[int, float]) -> Tagged:
    number = len(found)
    return Tagged(
        np.fromiter(found, np.int64, number), np.fromiter(found.values(), np.float32, number)
    )
