"""The server's time of day: it goes on evenly, and follows a jump of the machine's clock in order.

A clock that is set back would keep a reply for an hour, one that is set forward would sign
everybody out. What waits is therefore moved by as much as the clock jumped, in one commit; only
then the new time counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bot.errors import StorageUnavailable
from bot.services import Services

_LOG = logging.getLogger(__name__)

_EVERY_S = 1.0
_JUMP_S = 1.0  # smaller steps are corrections by a time server


def _elapsed_s() -> float:
    """Seconds that no setting of the clock changes; they go on while the machine sleeps."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class SteadyClock:
    """UTC epoch seconds.

    Args:
        wall: what the machine says.
        elapsed_s: what goes on evenly, from any beginning.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed_s: Callable[[], float] = _elapsed_s,
    ) -> None:
        self._wall = wall
        self._elapsed_s = elapsed_s
        self._offset_s = wall() - elapsed_s()

    def __call__(self) -> float:
        """What time it is here."""
        return self._elapsed_s() + self._offset_s

    def ahead_s(self) -> float:
        """How far the machine's clock is ahead of this one."""
        return self._wall() - self()

    def follow(self, seconds: float) -> None:
        """Count these as well from now on."""
        self._offset_s += seconds


@asynccontextmanager
async def followed(
    clock: SteadyClock, services: Services, *, every_s: float = _EVERY_S
) -> AsyncIterator[None]:
    """While it lasts, ``clock`` follows the machine's."""
    task = asyncio.create_task(_follow(clock, services, every_s), name="clock")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(clock: SteadyClock, services: Services, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        ahead_s = clock.ahead_s()
        if abs(ahead_s) < _JUMP_S:
            clock.follow(ahead_s)
            continue
        _LOG.warning("The machine's clock was set by %+.0f s", ahead_s)
        try:
            await _move(clock, services, ahead_s)
        except StorageUnavailable as error:
            _LOG.warning("What waits cannot be moved with it yet: %s", error)
            continue
        services.delivery.wake()
        services.webhooks.wake()


async def _move(clock: SteadyClock, services: Services, ahead_s: float) -> None:
    """Move the clock and what waits for it, so that nobody's session seems to be over in between.

    Raises:
        StorageUnavailable: neither was moved.
    """
    back = ahead_s < 0
    if back:
        clock.follow(ahead_s)
    try:
        await services.store.shift_waits(ahead_s)
    except StorageUnavailable:
        if back:
            clock.follow(-ahead_s)
        raise
    if not back:
        clock.follow(ahead_s)
    # A reply whose time was read before, and which was written after, would wait until then.
    await services.store.settle_waits()
