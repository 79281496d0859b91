"""The catalogue in memory: items with their tags, found by profile, by name and by popularity."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from bot.domain import Article
from bot.recommending.audience import Sight
from bot.store.items import StoredItem
from index.interests import HALF_LIFE_S, MOST_TAGS
from index.profiles import Item, ProfileIndex
from nlp.tags import Page, Tagged, TagReader

ARTICLE: Final = "article:"
_SECTION_DEPTH: Final = 2
_FEW: Final = 1_000  # items that were looked at, of which the hottest are found in no time
_HOTTEST: Final = 500
_HOTTEST_S: Final = 60.0
# Half-lives from 1970 to a view that counts 1, so that sums stay numbers until the next century.
_SINCE: Final = 600.0
_ADDRESSES: Final = 4_096  # of a few hundred bytes each, most of them seen again and again
_READ: Final = 4_096  # pages that are no items and keep their tags


class Known(msgspec.Struct, frozen=True):
    """An item with what is found by it.

    Attributes:
        section: outer places of its path; of one section only so many are offered at a time.
        own: its strongest tags, as a profile has them.
        tags: all its tags.
    """

    item: StoredItem
    section: str
    own: Tagged
    tags: NDArray[np.int32]


class Shelf:
    """All items; knows no database.

    Attributes:
        version: another one whenever items were added, changed or removed.
    """

    def __init__(self) -> None:
        self.version = 0
        self.reader = TagReader()
        self._index = ProfileIndex()
        self._known: dict[int, Known] = {}
        self._keys: dict[str, int] = {}  # by external id and by address
        self._sections: dict[str, int] = {}
        self._heat: dict[int, float] = {}
        self._read: dict[tuple[str, str, str], Tagged] = {}
        self._hottest: list[int] = []
        self._hottest_at = 0.0

    def __len__(self) -> int:
        """Number of items."""
        return len(self._known)

    def items(self) -> Iterable[Known]:
        """All items."""
        return self._known.values()

    def get(self, key: int) -> Known | None:
        """The item of a key."""
        return self._known.get(key)

    def find(self, reference: str) -> int | None:
        """Key of the item with this external id or at this address."""
        if not reference:
            return None
        found = self._keys.get(reference)
        return found if found is not None else self._keys.get(address(reference))

    def holds(self, item: StoredItem) -> bool:
        """True where the item is there as it is."""
        known = self._known.get(item.id)
        return known is not None and known.item == item

    def article_keys(self) -> list[int]:
        """Keys of the articles of the knowledge base."""
        return [key for key in self._known if key < 0]

    def put(self, items: Sequence[StoredItem]) -> None:
        """Add items, each in place of the one of its key.

        All are read before the first is tagged, so that they may mention each other.
        """
        self.remove([item.id for item in items])
        self._read.clear()  # whose words may be known now
        readings = [self.reader.read(page_of(item)) for item in items]
        for reading in readings:
            self.reader.learn(reading)
        indexed = []
        for item, reading in zip(items, readings, strict=True):
            found = self.reader.item_tags(reading)
            section = "/".join(item.path.split("/")[:-1][:_SECTION_DEPTH])
            own = self.reader.profile_tags(reading, MOST_TAGS)
            self._known[item.id] = Known(item, section, own, found.tags.astype(np.int32))
            self._keys[item.external_id] = item.id
            if item.url:
                self._keys[address(item.url)] = item.id
            if item.title.strip():  # what has no name is nothing that anybody could choose
                number = self._sections.setdefault(section, len(self._sections))
                indexed.append(Item(item.id, found.tags, found.weights, number))
        self._index.put(indexed)

    def remove(self, keys: Collection[int]) -> None:
        """Forget items; keys that are unknown are passed over."""
        self.version += 1
        for key in keys:
            gone = self._known.pop(key, None)
            if gone is None:
                continue
            self.reader.forget(gone.tags.tolist())
            for name in (gone.item.external_id, address(gone.item.url)):
                if self._keys.get(name) == key:
                    del self._keys[name]
        self._index.remove(keys)

    def tags_of(self, sight: Sight) -> Tagged | None:
        """What a profile learns from a sight: its item's own tags, None where that is gone.

        A page that is no item has the tags that items have too.
        """
        _, key, _, *name = sight
        if key:
            known = self._known.get(key)
            return None if known is None else known.own
        title, h1, url = name
        tags = self._read.get((title, h1, url))
        if tags is None:
            page = Page(title=title, h1=h1, path=path_of(url))
            tags = self.reader.profile_tags(self.reader.read(page, known_only=True), MOST_TAGS)
            if len(self._read) >= _READ:
                self._read.clear()
            self._read[title, h1, url] = tags
        return tags

    def search(
        self, tags: Tagged, k: int, *, leave_out: Collection[int], of_section: int
    ) -> list[int]:
        """Keys of the items that suit a ``weighed`` profile best, best first."""
        found = self._index.search(
            tags.tags, tags.weights, k, leave_out=leave_out, of_section=of_section
        )
        return [key for key, _ in found]

    def weighed(self, tags: Tagged) -> Tagged:
        """A profile as a question: a tag counts by its rarity among the items as well."""
        return Tagged(tags.tags, tags.weights * self.reader.vocabulary.rarity(tags.tags))

    def shared(self, key: int, tags: Tagged) -> list[int]:
        """The tags of a ``weighed`` profile by which an item was found, strongest first."""
        parts = self._index.strengths(key, tags.tags) * tags.weights
        order = np.argsort(-parts, kind="stable")
        return [int(tags.tags[place]) for place in order if parts[place] > 0]

    def viewed(self, key: int, at: float) -> None:
        """Somebody looked at an item."""
        self._heat[key] = self._heat.get(key, 0.0) + 2.0 ** (at / HALF_LIFE_S - _SINCE)

    def load_heat(self, heat: Mapping[int, float]) -> None:
        """Take over how often items were looked at."""
        self._heat.update({key: 2.0 ** (one - _SINCE) for key, one in heat.items()})

    def heat(self, keys: Iterable[int]) -> dict[int, float]:
        """How often items were looked at, of those that were, as ``item_heat`` keeps it."""
        heat = self._heat
        return {key: math.log2(heat[key]) + _SINCE for key in keys if heat.get(key)}

    def views(self, key: int, now: float) -> float:
        """How often an item was looked at, old views counting less."""
        faded: float = 2.0 ** (_SINCE - now / HALF_LIFE_S)
        return self._heat.get(key, 0.0) * faded

    def popular(self, k: int, now: float, *, leave_out: Collection[int]) -> list[int]:
        """Keys of the items looked at most; of a large catalogue as of the last minute."""
        if len(self._heat) <= _FEW or now - self._hottest_at > _HOTTEST_S:
            self._hottest = heapq.nlargest(_HOTTEST, self._heat, key=self._heat.__getitem__)
            self._hottest_at = now
        out = frozenset(leave_out)
        left = (key for key in self._hottest if key not in out and key in self._index)
        return list(islice(left, k))


@lru_cache(maxsize=_ADDRESSES)
def address(url: str) -> str:
    """A page's address without what differs between visits: scheme, query and fragment."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return url
    return f"//{host}{parts.path.rstrip('/')}" if host else parts.path.rstrip("/") or url


@lru_cache(maxsize=_ADDRESSES)
def site_of(url: str) -> str:
    """Host and port of an address, empty where it has none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def path_of(url: str) -> str:
    """Path of an address as an item has it."""
    try:
        return urlsplit(url).path.strip("/")
    except ValueError:
        return ""


def page_of(item: StoredItem) -> Page:
    """The item as a page to read."""
    return Page(title=item.title, text=item.description, path=item.path)


def article_item(article: Article) -> StoredItem:
    """An article of the knowledge base as an item; its category is its section."""
    return StoredItem(
        id=-article.id,
        external_id=f"{ARTICLE}{article.id}",
        kind="article",
        title=article.title or article.text[:80],
        description="\n".join((article.text, *article.questions)),
        path=f"{article.category}/{article.id}" if article.category else "",
    )
