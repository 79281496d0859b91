"""Recommendations of the running server: fed by events, articles and the catalogue, kept in rows.

Profiles change in memory with each event and are stored every few minutes and at the end; after a
crash the events since then are learnt anew. Until the catalogue is read, nothing is recommended and
events wait. It is read at the start, or by the first need where it is large and nothing is known of
anybody yet: what nobody uses costs neither time nor memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Sequence
from itertools import count
from typing import Final, Protocol

from bot.bus import RESET, Bus
from bot.errors import NotFound, StorageUnavailable
from bot.event import Event, customer_of
from bot.ports import Clock
from bot.recommending.audience import Audience
from bot.recommending.keeping import keep, keep_news, settle
from bot.recommending.offering import Interest, Offer, beside_item, for_person, interests
from bot.recommending.shelf import Shelf, article_item
from bot.recommending.watching import Watching
from bot.settings import Settings
from bot.store import Store
from bot.store.items import Catalogue, StoredItem
from bot.store.profiles import ClickThrough

_LOG = logging.getLogger(__name__)

_FLUSH_S: Final = 2.0
# What a person looks at comes in many events, and storing a profile costs more than twenty of them.
_PROFILES_EVERY: Final = 150  # times that changes are stored
_PRUNE_EVERY: Final = 300
_MANY: Final = 500  # articles, which take a third of a second to read
_CHUNK: Final = 50  # items tagged before the loop does something else
_AT_ONCE: Final = 200  # events; a millisecond
_MOST_UNSETTLED: Final = 100_000  # sights that are not in their profiles; 15 MB
_READ: Final = 2_000  # events that a killed process left
_MOST_WAITING: Final = 100_000  # events, while the catalogue is read or too many come


class People(Protocol):
    """Who is who."""

    def identity(self, visitor: str) -> tuple[str, str]:
        """Customer and company of a visitor, as far as they are known."""

    async def names(self, customer: str) -> Sequence[str]:
        """All names of a customer and their visitors, that of the web chat included."""

    async def after(self, event: tuple[float, str] | None, limit: int) -> Sequence[Event]:
        """Events that were stored after the one of this time and id (None: any), in that order."""


class Recommending:
    """What to offer whom.

    Args:
        settings: whose sites' pages are learnt from views.
        store: where everything is kept.
        bus: tells of changed articles.
        clock: epoch seconds.
        people: who is who.

    Attributes:
        shelf: the catalogue.
        audience: who is interested in what.
    """

    def __init__(
        self, settings: Settings, store: Store, bus: Bus, clock: Clock, people: People
    ) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self._clock = clock
        self._people = people
        self.shelf = Shelf()
        self.audience = Audience(self.shelf.tags_of)
        nothing = Catalogue((), {}, {}, 0)
        self._watching = Watching(settings, self.shelf, self.audience, people.identity, nothing)
        self._queue: deque[Event] = deque()
        self._spent_s = 0.0
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Read the catalogue in the background, then follow articles and store what changes."""
        self._tasks = [asyncio.create_task(self._run(), name="recommending")]

    async def stop(self) -> None:
        """Store what changed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._ready.is_set():
            try:
                await self.flush()
            except StorageUnavailable as error:
                _LOG.warning("The last changes of profiles were not stored: %s", error)

    async def ready(self) -> None:
        """Wait until the catalogue is read; where nothing was started, read it now."""
        self._wanted.set()
        if not self._tasks and not self._ready.is_set():
            await self._open()
        await self._ready.wait()

    @property
    def is_ready(self) -> bool:
        """True once the catalogue is read."""
        return self._ready.is_set()

    @property
    def spent_s(self) -> float:
        """Processor time of learning from events since the start."""
        return self._spent_s + self.audience.spent_s

    @property
    def refused(self) -> int:
        """Pages of the site that were not learnt since there were too many."""
        return self._watching.refused

    def observe(self, events: Sequence[Event]) -> None:
        """Learn from events that are stored; a few at once, more when others had their turn."""
        self._wanted.set()
        if len(self._queue) < _MOST_WAITING:
            self._queue += events
            if self._ready.is_set():
                self._learn()
                self._news.set()

    async def settled(self) -> None:
        """Wait until all that was seen is in the profiles; have the catalogue read."""
        self._wanted.set()
        while self._queue:
            self._learn()
            await asyncio.sleep(0)
        await settle(self.audience)

    def for_subject(self, subject: str, k: int) -> list[Offer]:
        """Up to ``k`` items; for who is not known what many look at."""
        if not self._ready.is_set():
            return []
        renewable = self._watching.renewable
        now = self._clock()
        return for_person(self.shelf, self.audience, subject, k, now=now, renewable=renewable)

    def beside(self, reference: str, k: int) -> list[Offer]:
        """Up to ``k`` items that suit whoever looks at this one.

        Raises:
            NotFound: there is no item of this id or address.
        """
        key = self.shelf.find(reference)
        if key is None:
            raise NotFound(f"There is no item '{reference}'.")
        return beside_item(self.shelf, key, k, now=self._clock())

    def interests(self, subject: str) -> list[Interest]:
        """What somebody is interested in, strongest first."""
        return interests(self.shelf, self.audience, subject)

    async def subject(self, name: str) -> str:
        """Under which subject a customer or a visitor is known; makes their profiles one."""
        known = [one for one in await self.subjects(name) if one in self.audience]
        if not known:
            return f"c:{name}"
        self.audience.merge(known[0], known[1:])
        return known[0]

    async def subjects(self, name: str) -> list[str]:
        """All subjects that may belong to somebody, as a customer before as a visitor."""
        names = dict.fromkeys((name, *await self._people.names(name)))
        return [f"{kind}:{one}" for kind in "cv" for one in names]

    async def named(self, reference: str) -> str:
        """Subject of somebody whom the desk or the site calls so."""
        try:
            customer = await self._store.erasing.customer(reference)
        except NotFound:
            return await self.subject(reference)
        return await self.subject(customer_of(customer.channel, customer.external_id))

    async def put(self, items: Sequence[StoredItem]) -> None:
        """Store items and let them be found; ``id`` 0 is given here, by external id."""
        await self.ready()
        known = [self._watching.with_id(item) for item in items]
        await self._store.items.save(known)
        await self._shelve(known)

    async def remove(self, external_id: str) -> None:
        """Take an item out for good.

        Raises:
            NotFound: there is none of this id, or it is an article of the knowledge base.
        """
        await self.ready()
        key = self.shelf.find(external_id)
        if key is None or key < 0:
            raise NotFound(f"There is no item '{external_id}'.")
        await self._store.items.remove(key)
        self._watching.removed(key)

    async def shown(
        self, subject: str, offers: Sequence[StoredItem], place: str, message_id: int | None = None
    ) -> None:
        """Somebody was shown these items at ``place``."""
        keys = [item.id for item in offers]
        await self._store.profiles.shown(subject, keys, place, message_id)
        self._watching.shown((subject, key) for key in keys)

    async def click_through(self, since: float) -> list[ClickThrough]:
        """What was shown since then, and clicked within a week, by place; some seconds old."""
        return await self._store.profiles.click_through(since)

    async def forget(self, subjects: Collection[str]) -> None:
        """Erase what is known of the interests of these subjects."""
        self.audience.forget(subjects)
        self._watching.forget(subjects)
        await self._store.profiles.erase(subjects)

    async def count(self, subjects: Collection[str]) -> dict[str, int]:
        """Rows that ``forget`` would take out, by table, after storing what waits."""
        await self.flush()
        return await self._store.profiles.count(subjects)

    async def flush(self) -> None:
        """Learn what waits and store what changed.

        Raises:
            StorageUnavailable: it is kept in memory and stored the next time.
        """
        while self._queue:
            self._learn()
        await keep_news(self._store, self._watching)
        await keep(self._store, self.shelf, self.audience, self._watching)

    async def _run(self) -> None:
        if not await self._used():
            await self._wanted.wait()
        await self._open()
        self._tasks += [
            asyncio.create_task(self._follow_articles(), name="recommending-articles"),
            asyncio.create_task(self._drain(), name="recommending-events"),
        ]
        for number in count():
            await asyncio.sleep(_FLUSH_S)
            try:
                await keep_news(self._store, self._watching)
                if number % _PROFILES_EVERY == _PROFILES_EVERY - 1:
                    await self.flush()
                if number % _PRUNE_EVERY == 0:
                    await self._store.profiles.prune()
            except StorageUnavailable as error:
                _LOG.warning("Profiles wait to be stored: %s", error)
            except Exception:  # noqa: BLE001 - the loop must outlive a bad row
                _LOG.exception("Profiles were not stored")

    async def _used(self) -> bool:
        """True where anything but many articles is there to be read."""
        profiles = self._store.profiles
        return (
            (await self._store.knowledge.articles(per_page=1)).total < _MANY
            or await profiles.any()
            or bool(await self._people.after(await profiles.learnt(), 1))
        )

    async def _open(self) -> None:
        """Read everything; what arrived meanwhile is observed after it."""
        kept = await self._store.items.load()
        articles = await self._store.knowledge.all_items()
        profiles = await self._store.profiles.load(self.audience.most)
        items = [*kept.items, *map(article_item, articles)]
        # In a thread: a hundred thousand items take half a minute.
        await asyncio.to_thread(self.shelf.put, items)
        self.shelf.load_heat(kept.heat)
        self.audience.load(profiles, self.shelf.reader.vocabulary)
        self._watching = Watching(
            self._settings, self.shelf, self.audience, self._people.identity, kept
        )
        self._watching.shown(await self._store.profiles.waiting())
        await self._catch_up(await self._store.profiles.learnt())
        self._ready.set()
        self._news.set()

    async def _catch_up(self, last: tuple[float, str] | None) -> None:
        """Learn from what was stored and not learnt: by a process that was killed, or by none."""
        while missed := await self._people.after(last, _READ):
            last = missed[-1].at, missed[-1].id
            for first in range(0, len(missed), _AT_ONCE):
                told = {event.id for event in self._queue}
                some = missed[first : first + _AT_ONCE]
                self._watching.observe([event for event in some if event.id not in told])
                await asyncio.sleep(0)

    def _learn(self) -> None:
        began = time.thread_time()
        number = min(_AT_ONCE, len(self._queue))
        self._watching.observe([self._queue.popleft() for _ in range(number)])
        self._spent_s += time.thread_time() - began

    async def _drain(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._queue:
                self._learn()
                await asyncio.sleep(0)
            await settle(self.audience, _MOST_UNSETTLED)

    async def _shelve(self, items: Sequence[StoredItem]) -> None:
        for first in range(0, len(items), _CHUNK):
            self._watching.shelve(items[first : first + _CHUNK])
            await asyncio.sleep(0)

    async def _follow_articles(self) -> None:
        while True:
            with self._bus.subscribe({"desk"}) as news:
                async for one in news:
                    if one.name == RESET:
                        await self._take_articles(None)
                    elif one.name == "knowledge.changed":
                        await self._take_articles(one.data.get("articles"))
            await asyncio.sleep(_FLUSH_S)
            await self._take_articles(None)

    async def _take_articles(self, ids: Sequence[int] | None) -> None:
        """Bring articles (None: all) up to date with the knowledge base."""
        knowledge = self._store.knowledge
        found = await (knowledge.all_items() if ids is None else knowledge.some(ids))
        items = [article_item(one) for one in found if one.removed_at is None]
        there = {item.id for item in items}
        before = [-one for one in ids] if ids is not None else self.shelf.article_keys()
        self.shelf.remove([key for key in before if key not in there])
        fresh = [item for item in items if not self.shelf.holds(item)]
        await self._shelve(fresh)
