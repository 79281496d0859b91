"""What tags there are: a number for each, how people write it, and how rare it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Words of more than a quarter of the pages tell nothing, once there are pages enough to say so.
_COMMON_SHARE: Final = 0.25
_ENOUGH_PAGES: Final = 20
_FIRST_ROOM: Final = 1024


class Kind(IntEnum):
    """What a tag stands for."""

    STEM = 0
    NAME = 1
    PLACE = 2


class TagVocabulary:
    """Tags by number and by key; the key means the same in every process.

    Attributes:
        pages: number of pages that rarity is learnt from.
    """

    def __init__(self) -> None:
        self._numbers: tuple[dict[str, int], ...] = ({}, {}, {})  # by kind
        self._keys: list[str] = []
        self._kinds = np.zeros(_FIRST_ROOM, np.uint8)
        self._df = np.zeros(_FIRST_ROOM, np.int32)
        self._texts: list[str] = []
        self._votes: list[int] = []
        self.pages = 0

    def __len__(self) -> int:
        """Number of tags."""
        return len(self._keys)

    def number(self, kind: Kind, key: str) -> int:
        """The tag of a key; a new one where it is not known."""
        numbers = self._numbers[kind]
        found = numbers.get(key)
        if found is None:
            found = numbers[key] = len(self._keys)
            if found == len(self._kinds):
                self._kinds = np.append(self._kinds, np.zeros(found, np.uint8))
                self._df = np.append(self._df, np.zeros(found, np.int32))
            self._kinds[found] = kind
            self._keys.append(key)
            self._texts.append(key)
            self._votes.append(0)
        return found

    def find(self, kind: Kind, key: str) -> int | None:
        """The tag of a key, if it is known."""
        return self._numbers[kind].get(key)

    def key(self, tag: int) -> str:
        """What ``number`` gives the tag for."""
        return self._keys[tag]

    def kind(self, tag: int) -> Kind:
        """What the tag stands for."""
        return Kind(int(self._kinds[tag]))

    def names(self, tags: Ids) -> list[tuple[int, str]]:
        """Kind and key of each tag."""
        keys = self._keys
        kinds = self._kinds[tags].tolist()
        return [(kind, keys[tag]) for kind, tag in zip(kinds, tags.tolist(), strict=True)]

    def text(self, tag: int) -> str:
        """How people write it."""
        return self._texts[tag]

    def vote(self, tag: int, text: str) -> None:
        """Somebody wrote the tag so; what most write wins.

        Source: Boyer and Moore, MJRTY: a fast majority vote algorithm, 1991.
        """
        if self._texts[tag] == text:
            self._votes[tag] += 1
        elif self._votes[tag] > 0:
            self._votes[tag] -= 1
        else:
            self._texts[tag], self._votes[tag] = text, 1

    def count(self, tags: Iterable[int], pages: int) -> None:
        """Count one more (1) or one less (-1) page with these distinct tags."""
        self._df[np.fromiter(tags, np.int64)] += pages
        self.pages += pages

    def df(self, tag: int) -> int:
        """Number of pages that have the tag."""
        return int(self._df[tag])

    def rarity(self, tags: Ids) -> Floats:
        """ln(n / df) / ln(n): 1 for what one page has .. 0 for what all or none have.

        Shape ``(tags,)``. Stems of too many pages have 0 as well.
        """
        df = self._df[tags].astype(np.float64)
        if self.pages < 2:
            return (df > 0).astype(np.float32)
        rarity = np.log(self.pages / np.maximum(df, 1)) / math.log(self.pages)
        rarity[df <= 0] = 0.0
        if self.pages >= _ENOUGH_PAGES:
            common = df > _COMMON_SHARE * self.pages
            rarity[common & (self._kinds[tags] == Kind.STEM)] = 0.0
        return np.clip(rarity, 0.0, 1.0).astype(np.float32)
