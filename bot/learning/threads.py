"""Blocking work that is never left half-way by a caller that is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_the_end(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``fn`` gives, run in a thread.

    A cancelled caller waits until the thread is done: files it writes and processes it starts must
    not appear after their owner said that it has stopped.
    """
    work = asyncio.ensure_future(asyncio.to_thread(fn, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # looked at, so that nobody is told of it at the loop's end
        raise
