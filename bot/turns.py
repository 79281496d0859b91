"""Turns of the event loop: one question each, so that nothing else waits for more than one.

Twenty questions that arrive together would otherwise be computed in one turn, and a roll back,
which comes back to the loop several times, would wait for twenty each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """Whoever computes on the event loop takes turns, first come first served."""

    def __init__(self) -> None:
        self._taken = asyncio.Lock()

    async def take(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``compute`` gives, once it is its turn; whatever else is due follows at once."""
        async with self._taken:
            found = compute(*args, **kwargs)
            await asyncio.sleep(0)
        return found
