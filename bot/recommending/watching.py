"""What events say: who looked at what, which pages a site has, which offers were taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from bot.event import PAGE_VIEW, Event
from bot.recommending.audience import Audience
from bot.recommending.shelf import Shelf, address, path_of, site_of
from bot.settings import Settings
from bot.store.items import Catalogue, StoredItem
from nlp.tags import MAX_TITLE

BOUGHT: Final = frozenset({"bought", "purchase", "paid"})
_MOST_PAGES: Final = 20_000  # learnt from views; more would only be what somebody made up
_MOST_SHOWN: Final = 200_000
_LATELY: Final = 4_096  # pages that are known by address and title
_RENAMED_S: Final = 86_400.0  # a page that was learnt from views changes its name so often at most


class Watching:
    """Turns events into profiles, views, pages and clicks; knows no database.

    Attributes:
        renewable: items that may be offered again, by key.
        waiting: subject and key of what was shown and is not clicked yet, oldest first.
        pages: items learnt from views that are not stored yet, by key.
        viewed: keys whose views are not stored yet.
        clicks: subject, key and time of clicks that are not stored yet.
        last: time and id of the last event, until it is stored.
        refused: pages that were not learnt because there were too many.
    """

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        audience: Audience,
        identity: Callable[[str], tuple[str, str]],
        kept: Catalogue,
    ) -> None:
        self._shelf = shelf
        self._audience = audience
        self._identity = identity
        self._removed = dict(kept.removed)
        self._last_id = kept.last_id
        self._sites = _sites(settings)
        self._named_at: dict[int, float] = {}
        self._lately: dict[str, tuple[int, str]] = {}  # key and title of pages, by address
        self._version = shelf.version
        self._learnt = 0
        self.renewable: dict[int, StoredItem] = {}
        self.waiting: dict[tuple[str, int], None] = {}
        self.pages: dict[int, StoredItem] = {}
        self.viewed: set[int] = set()
        self.clicks: list[tuple[str, int, float]] = []
        self.last: tuple[float, str] | None = None
        self.refused = 0
        for known in shelf.items():
            self._note(known.item)

    def observe(self, events: Sequence[Event]) -> None:
        """Take the events in, in their order."""
        for event in events:
            if event.item or event.url or event.title or event.h1:
                subject = self._subject(event)
                if subject:
                    self._observe(event, subject)
        if events:
            self.last = (events[-1].at, events[-1].id)

    def take_last(self) -> tuple[float, str] | None:
        """``last``, which is None from now on."""
        last, self.last = self.last, None
        return last

    def shown(self, pairs: Iterable[tuple[str, int]]) -> None:
        """These items (subject and key) were shown; a click on one is news."""
        self.waiting.update(dict.fromkeys(pairs))
        for pair in list(islice(self.waiting, max(0, len(self.waiting) - _MOST_SHOWN))):
            del self.waiting[pair]

    def with_id(self, item: StoredItem) -> StoredItem:
        """The item with the key that its external id has, or with a new one."""
        key = self._shelf.find(item.external_id)
        known = self._shelf.get(key) if key is not None else None
        if known is None or known.item.external_id != item.external_id:
            key = self._removed.pop(item.external_id, None)
        if key is None:
            self._last_id += 1
            key = self._last_id
        return replace(item, id=key)

    def shelve(self, items: Sequence[StoredItem]) -> None:
        """Let items be found."""
        self._shelf.put(items)
        for item in items:
            self._note(item)

    def removed(self, key: int) -> None:
        """An item was taken out; views do not bring it back."""
        known = self._shelf.get(key)
        if known is not None:
            self._removed[known.item.external_id] = key
            self._learnt -= known.item.source == "views"
        self._shelf.remove([key])
        self.renewable.pop(key, None)
        self.pages.pop(key, None)

    def forget(self, subjects: Collection[str]) -> None:
        """Nothing of these persons waits any more."""
        self.waiting = {pair: None for pair in self.waiting if pair[0] not in subjects}
        self.clicks = [one for one in self.clicks if one[0] not in subjects]

    def _subject(self, event: Event) -> str:
        customer, visitor = event.customer, event.visitor
        if not visitor:
            return f"c:{customer}" if customer else ""
        alone = f"v:{visitor}"
        customer = customer or self._identity(visitor)[0]
        if not customer:
            return alone
        if alone in self._audience:
            self._audience.merge(f"c:{customer}", [alone])
        return f"c:{customer}"

    def _observe(self, event: Event, subject: str) -> None:
        key = self._key(event)
        if key is None:
            sight = (event.at, 0, False, event.title, event.h1, event.url)
            self._audience.observe(subject, sight)
            return
        self._audience.observe(subject, (event.at, key, event.name in BOUGHT, "", "", ""))
        self._shelf.viewed(key, event.at)
        self.viewed.add(key)
        if self.waiting and (subject, key) in self.waiting:
            del self.waiting[subject, key]
            self.clicks.append((subject, key, event.at))

    def _key(self, event: Event) -> int | None:
        """Key of what was seen; a page that was seen lately is known by its address and title."""
        if self._shelf.version != self._version:
            self._lately.clear()
            self._version = self._shelf.version
        lately = self._lately.get(event.url)
        if lately is not None and lately[1] == event.title and not event.item:
            return lately[0]
        key = self._shelf.find(event.item) if event.item else None
        if key is None:
            key = self._shelf.find(event.url)
        if event.name != PAGE_VIEW or site_of(event.url) not in self._sites:
            return key
        key = self._page(event, key)
        if key is not None and not event.item and self._shelf.version == self._version:
            if len(self._lately) >= _LATELY:
                self._lately.clear()
            self._lately[event.url] = (key, event.title)
        return key

    def _page(self, event: Event, key: int | None) -> int | None:
        """Key of the page that was seen; one of our sites is learnt, or learns its new name."""
        if not (event.title or event.h1):
            return key
        known = self._shelf.get(key) if key is not None else None
        if known is not None and known.item.title == event.title:
            return key
        title = " ".join((event.title or event.h1)[:MAX_TITLE].split())
        if known is not None:
            same = known.item.source != "views" or known.item.title == title
            if same or event.at < self._named_at.get(known.item.id, 0.0) + _RENAMED_S:
                return key
        name = address(event.url)
        if known is None and (name in self._removed or not title):
            return None
        if known is None and self._learnt >= _MOST_PAGES:
            self.refused += 1
            return None
        page = self.with_id(
            StoredItem(
                id=0, external_id=name, kind="page", title=title,
                description=event.h1[:MAX_TITLE] if event.h1 != title else "",
                path=path_of(event.url), url=event.url.partition("#")[0], source="views",
            )
        )  # fmt: skip
        self._named_at[page.id] = event.at
        self.pages[page.id] = page
        self._learnt += known is None
        self._shelf.put([page])
        return page.id

    def _note(self, item: StoredItem) -> None:
        if item.renewable_s is None:
            self.renewable.pop(item.id, None)
        else:
            self.renewable[item.id] = item
        self._learnt += item.source == "views"


def _sites(settings: Settings) -> frozenset[str]:
    """Sites whose pages may be offered: our own and those that may embed the chat."""
    named = (settings.http.public_url, *settings.widget.allowed_origins)
    return frozenset({site for url in named if (site := site_of(url))})
