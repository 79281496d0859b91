"""Events in: a bounded queue, one commit for all that waits, then the news to whoever listens.

A request is acknowledged after the commit that holds its events. A batch gathers while the writer
commits the one before, and then until as many requests wait as waited lately, but never longer than
``_GATHER_S``: a commit costs as much processor time as thirty events.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bot.errors import NeurobotError, TooManyRequests
from bot.event import Event
from bot.live.retention import Retention
from bot.ports import Clock
from bot.settings import Settings
from bot.store.events import Events, Tie

_LOG = logging.getLogger(__name__)

Observer = Callable[[Sequence[Event]], None]
_Request = tuple[Sequence[Event], asyncio.Future[int]]

_MAX_BATCH = 2_000  # events of one commit
_REMEMBERED = 100_000  # newest ids by which a repeat is known whatever its time; up to twice that
_GATHER_S = 0.005
_FADE = 0.8  # of the number of requests that waited lately, with each batch
_RATE_S = 10


class Intake:
    """Takes events and knows who is who.

    Attributes:
        observers: called in the loop with the new events of each batch, after its commit.
        events: the database of events, for reads.
        site_key: the public key with which a site's pages may write events.
    """

    def __init__(self, settings: Settings, events: Events, clock: Clock) -> None:
        self.events = events
        self.observers: list[Observer] = []
        self.site_key = ""
        self._max_waiting = settings.events.max_waiting
        self._clock = clock
        self._waiting: deque[_Request] = deque()
        self._queued = 0
        self._wake = asyncio.Event()
        self._enough = asyncio.Event()
        self._expected = 0.0
        self._recent: dict[str, None] = {}
        self._older: dict[str, None] = {}
        self._visitors: dict[str, tuple[str, str]] = {}
        self._companies: dict[str, str] = {}
        self._chats: dict[str, str] = {}  # said since the start
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._retention = Retention(settings, events, clock)
        self._stored = self._repeated = self._refused = 0
        self._seconds: deque[tuple[int, int]] = deque(maxlen=_RATE_S + 1)

    async def start(self) -> None:
        """Begin to store; what a former run stored last is known again."""
        self.site_key = await self.events.site_key()
        self._recent = dict.fromkeys(await self.events.recent_ids(_REMEMBERED))
        known = await self.events.known()
        self._visitors, self._companies = dict(known.visitors), dict(known.companies)
        self._task = asyncio.create_task(self._run(), name="intake")
        await self._retention.start()

    async def stop(self) -> None:
        """Store what is queued, then end."""
        await self._retention.stop()
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def put(self, events: Sequence[Event]) -> int:
        """Number of ``events`` that were not known before, after the commit that holds them.

        Raises:
            TooManyRequests: too many events wait already; none of these was taken.
            StorageUnavailable: the disk is full or failing; none of these was stored.
        """
        return await self.offer(events)

    def offer(self, events: Sequence[Event]) -> asyncio.Future[int]:
        """Same as ``put``, which waits; a full queue is refused at once."""
        if self._queued + len(events) > self._max_waiting and self._queued:
            self._refused += len(events)
            raise TooManyRequests("Too many events wait to be stored; send them again later.")
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, future))
        self._queued += len(events)
        if len(self._waiting) >= self._expected:
            self._enough.set()
        self._wake.set()
        return future

    @classmethod
    def open(cls, settings: Settings, clock: Clock) -> Intake:
        """An intake with its file open; it stores nothing yet. Not a coroutine.

        Raises:
            AlreadyRunning, StorageUnavailable: as ``Events.open``.
        """
        return cls(settings, Events.open(settings, clock), clock)

    async def close(self) -> None:
        """Release the file."""
        await self.events.close()

    @classmethod
    @asynccontextmanager
    async def alone(cls, settings: Settings, clock: Clock) -> AsyncIterator[Intake]:
        """An intake for a command, where no server runs.

        Raises:
            AlreadyRunning: one does.
        """
        intake = cls.open(settings, clock)
        try:
            await intake.start()
            yield intake
        finally:
            await intake.stop()
            await intake.close()

    async def tie_chat(self, chat: str, visitor: str) -> None:
        """The visitor of the site is the one whom the web chat knows as ``chat``.

        That is their name as a customer until the site says another one.
        """
        if self._chats.get(visitor) == chat:
            return
        customer, company = self._visitors.get(visitor, ("", ""))
        await self.events.append((), (Tie(visitor, customer or chat, company, chat),))
        self._chats[visitor] = chat
        self._visitors[visitor] = (customer or chat, company)

    def identity(self, visitor: str) -> tuple[str, str]:
        """Customer and company of a visitor, as far as they are known."""
        customer, company = self._visitors.get(visitor, ("", ""))
        return customer, company or self._companies.get(customer, "")

    def company(self, customer: str) -> str:
        """Company of a customer, empty where it is not known."""
        return self._companies.get(customer, "")

    async def names(self, customer: str) -> tuple[str, ...]:
        """All names of a customer of the site or the web chat, those of their visitors included."""
        known = await self.events.names(customer)
        return (*known.customers, *known.visitors)

    async def after(self, event: tuple[float, str] | None, limit: int) -> list[Event]:
        """Events that were stored after the one of this time and id, see ``Events.after``."""
        return await self.events.after(event, limit)

    async def erase(self, customer: str) -> dict[str, int]:
        """Take a customer's events and names out; gives the rows by table."""
        names = await self.events.names(customer)
        counts = await self.events.erase(customer)
        for visitor in names.visitors:
            self._visitors.pop(visitor, None)
            self._chats.pop(visitor, None)
        for name in names.customers:
            self._companies.pop(name, None)
        return counts

    def health(self) -> dict[str, Any]:
        """Counters since the start, what waits, and events a second of the last ten seconds."""
        now = int(self._clock())
        lately = sum(number for second, number in self._seconds if now - second <= _RATE_S)
        return {
            "stored": self._stored,
            "repeated": self._repeated,
            "refused": self._refused,
            "waiting": self._queued,
            "per_second": lately / _RATE_S,
            **self.events.health(),
        }

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._gather()
                await self._store(self._take())

    async def _gather(self) -> None:
        """Let those join who are about to: as many as lately, or who come in a moment."""
        if len(self._waiting) < self._expected and not self._stopping:
            self._enough.clear()
            timer = asyncio.get_running_loop().call_later(_GATHER_S, self._enough.set)
            await self._enough.wait()
            timer.cancel()
        self._expected = max(float(len(self._waiting)), self._expected * _FADE)

    def _take(self) -> list[_Request]:
        batch = [self._waiting.popleft()]
        size = len(batch[0][0])
        while self._waiting and size + len(self._waiting[0][0]) <= _MAX_BATCH:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0])
        return batch

    async def _store(self, batch: list[_Request]) -> None:
        recent, older = self._recent, self._older
        fresh: dict[str, Event] = {
            event.id: event
            for events, _ in batch
            for event in events
            if event.id not in recent and event.id not in older
        }
        learnt = _Learnt(self._visitors, self._companies)
        ties = [
            tie
            for event in fresh.values()
            if (event.customer or event.company) and (tie := learnt.tie(event))
        ]
        try:
            stored = await self.events.append(list(fresh.values()), ties) if fresh else ()
        except NeurobotError as error:
            _refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever broke, who waits must hear of it
            _LOG.exception("Events were not stored")
            _refuse(batch, NeurobotError(str(error)))
        else:
            self._remember(fresh)
            self._visitors.update(learnt.visitors)
            self._companies.update(learnt.companies)
            self._count(batch, len(stored))
            _acknowledge(batch, stored)
            self._tell(stored)
        finally:
            self._queued -= sum(len(events) for events, _ in batch)

    def _remember(self, fresh: Iterable[str]) -> None:
        self._recent.update(dict.fromkeys(fresh))
        if len(self._recent) >= _REMEMBERED:
            self._older, self._recent = self._recent, {}

    def _count(self, batch: Sequence[_Request], stored: int) -> None:
        self._stored += stored
        self._repeated += sum(len(events) for events, _ in batch) - stored
        second = int(self._clock())
        if self._seconds and self._seconds[-1][0] == second:
            stored += self._seconds.pop()[1]
        self._seconds.append((second, stored))

    def _tell(self, events: Sequence[Event]) -> None:
        if not events:
            return
        for observer in self.observers:
            try:
                observer(events)
            except Exception:  # noqa: BLE001 - the events are stored; one listener must not stop others
                _LOG.exception("An observer of events failed")


class _Learnt:
    """What a batch adds to what is known of who is who; kept once the batch is committed."""

    def __init__(
        self, visitors: Mapping[str, tuple[str, str]], companies: Mapping[str, str]
    ) -> None:
        self._visitors, self._companies = visitors, companies
        self.visitors: dict[str, tuple[str, str]] = {}
        self.companies: dict[str, str] = {}

    def tie(self, event: Event) -> Tie | None:
        """What ``event`` says that was not known."""
        visitor, customer, company = event.visitor, event.customer, event.company
        new = False
        if visitor:
            before = self.visitors.get(visitor) or self._visitors.get(visitor, ("", ""))
            moved = customer not in {"", before[0]}
            after = (customer or before[0], company or ("" if moved else before[1]))
            if after != before:
                self.visitors[visitor] = after
                new = True
        if customer and company:
            known = self.companies.get(customer) or self._companies.get(customer)
            if known != company:
                self.companies[customer] = company
                new = True
        return Tie(visitor, customer, company) if new else None


def _acknowledge(batch: Sequence[_Request], stored: Sequence[Event]) -> None:
    """Tell each request how many of its events were new."""
    all_new = len(stored) == sum(len(events) for events, _ in batch)
    new = set() if all_new else {id(event) for event in stored}
    for events, future in batch:
        if not future.done():  # otherwise the caller went away
            count = len(events) if all_new else sum(id(event) in new for event in events)
            future.set_result(count)


def _refuse(batch: Sequence[_Request], error: NeurobotError) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
