"""News inside the process: a bounded ring of events, fanned out to whoever listens.

Loses nothing silently: a reader that came too late or reads too slowly gets an event named
``reset`` and fetches the state anew. Not durable; what must survive is a row.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bot.domain import Event

RESET = "reset"
Predicate = Callable[[Event], bool]


class Bus:
    """Publishes events in one event loop.

    Ids grow by one. They start at the milliseconds of the start, so that an id from an earlier
    process is always older than every id of this one.
    """

    def __init__(self, capacity: int = 1024, *, backlog: int = 256) -> None:
        self._ring: deque[Event] = deque(maxlen=capacity)
        self._backlog = backlog
        self._last_id = int(time.time() * 1000)
        self._subscriptions: set[Subscription] = set()

    @property
    def last_id(self) -> int:
        """Id of the newest event; a page remembers it and subscribes from there."""
        return self._last_id

    @property
    def listeners(self) -> int:
        """Number of open subscriptions."""
        return len(self._subscriptions)

    def publish(self, topic: str, name: str, data: Mapping[str, Any]) -> Event:
        """The event, already on its way to every subscriber; never waits."""
        self._last_id += 1
        event = Event(id=self._last_id, topic=topic, name=name, data=data)
        self._ring.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)
        return event

    def subscribe(
        self, topics: Collection[str] | Predicate, last_id: int | None = None
    ) -> Subscription:
        """Events of ``topics`` from now on, after a replay of those newer than ``last_id``.

        If some of them have left the ring, the first event is a ``reset`` instead of the replay.
        """
        if callable(topics):
            wanted = topics
        else:
            names = frozenset(topics)

            def wanted(event: Event) -> bool:
                return event.topic in names

        subscription = Subscription(self, wanted, self._backlog)
        self._subscriptions.add(subscription)
        if last_id is not None:
            self._replay(subscription, wanted, last_id)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every subscription; their iterators stop."""
        for subscription in tuple(self._subscriptions):
            subscription.close()

    def reset_event(self) -> Event:
        """What a reader gets that missed something: fetch the state, then go on from this id."""
        return Event(id=self._last_id, topic="", name=RESET, data={})

    def _replay(self, subscription: Subscription, wanted: Predicate, last_id: int) -> None:
        oldest = self._ring[0].id if self._ring else self._last_id + 1
        missed = [event for event in self._ring if event.id > last_id and wanted(event)]
        if last_id < oldest - 1 or last_id > self._last_id or len(missed) > self._backlog:
            subscription.force(self.reset_event())
            return
        for event in missed:
            subscription.force(event)


class Subscription:
    """An async iterator of events; close it when the reader goes away."""

    def __init__(self, bus: Bus, wanted: Predicate, backlog: int) -> None:
        self._bus = bus
        self._wanted = wanted
        self._backlog = backlog
        # An empty deque is ten times an empty list, and nearly all subscribers wait in silence.
        self._waiting: list[Event] = []
        self._woken: asyncio.Future[None] | None = None
        self._closed = False

    def offer(self, event: Event) -> None:
        """Queue ``event`` if it is wanted; a reader that is too far behind is dropped."""
        if self._closed or not self._wanted(event):
            return
        if len(self._waiting) >= self._backlog:
            self._waiting.clear()
            self.force(self._bus.reset_event())
            self.close()
            return
        self.force(event)

    def force(self, event: Event) -> None:
        """Queue ``event`` whatever its topic."""
        self._waiting.append(event)
        self._wake()

    def close(self) -> None:
        """End the iteration after what is queued."""
        self._closed = True
        self._bus.drop(self)
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        return self._waiting.pop(0)
