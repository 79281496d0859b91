"""More than can be worked on at once is refused at the door, cheaply, with a time to come again.

Without a bound everybody waits in one long line: at four times what the server can do, each answer
took half a minute, and most clients had left by then.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.errors import Overloaded
from bot.http import Handler, problem

# Requests that are worked on at once: some tenths of a second of work on one core.
MAX_WORKING: Final = 128
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def shedding_middleware(most: int = MAX_WORKING) -> Middleware:
    """Middleware that lets ``most`` changing requests in at once; pages and streams always.

    A request whose body is still on its way does not count: slow senders would shut others out.
    """
    working = 0

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal working
        if request.method not in _CHANGING or not request.content.is_eof():
            return await handler(request)
        if working >= most:
            return problem(Overloaded())
        working += 1
        try:
            return await handler(request)
        finally:
            working -= 1

    return middleware
