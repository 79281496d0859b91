"""The loop that works through a stored queue: woken by news or time, it outlives trouble."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from bot.bus import Bus, Predicate
from bot.errors import StorageUnavailable

_LOG = logging.getLogger(__name__)

STORAGE_RETRY_S: Final = 1.0


class QueueLoop:
    """Calls a step again and again until it is stopped.

    Args:
        name: of the queue, for tasks and the log.
        step: starts what is due and gives the seconds until it wants to look again.
        bus: whose events of ``topics`` are news of the queue.
        topics: names, or what picks events.
        rest_s: least time between two looks, for a queue whose news is mostly none of its own.

    Attributes:
        stopping: nothing new may be started.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[float]],
        bus: Bus,
        topics: Collection[str] | Predicate,
        *,
        rest_s: float = 0.0,
    ) -> None:
        self._name = name
        self._step = step
        self._bus = bus
        self._topics = topics
        self._rest_s = rest_s
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = False

    def start(self) -> None:
        """Begin to look."""
        self.stopping = False
        self._tasks = [
            asyncio.create_task(self._run(), name=self._name),
            asyncio.create_task(self._listen(), name=f"{self._name}-news"),
        ]

    def wake(self) -> None:
        """Look at the queue now."""
        self._news.set()

    def hold(self) -> None:
        """Start nothing new; what is at work goes on."""
        self.stopping = True
        self.wake()

    async def stop(self) -> None:
        """Look no more."""
        self.hold()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _listen(self) -> None:
        while True:
            with self._bus.subscribe(self._topics) as news:
                async for _ in news:
                    self.wake()
            self.wake()  # dropped as too slow, or the bus was closed
            await asyncio.sleep(STORAGE_RETRY_S)

    async def _run(self) -> None:
        # The flag as well: a cancellation that meets a finished wait can be swallowed there.
        while not self.stopping:
            self._news.clear()
            try:
                wait_s = await self._step()
            except StorageUnavailable as error:
                _LOG.warning("The queue of %s cannot be read or marked: %s", self._name, error)
                wait_s = STORAGE_RETRY_S
            except Exception:  # noqa: BLE001 - the loop must outlive a bad row
                _LOG.exception("A step of %s failed", self._name)
                wait_s = STORAGE_RETRY_S
            if self._rest_s:
                await asyncio.sleep(self._rest_s)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: it may swallow a cancellation.
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
