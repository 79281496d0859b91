"""Serves the fast preset; its arguments: PORT MODELS ANSWERS VECTORS DATABASE SYNCHRONOUS.

Messages that arrive in one turn of the event loop are computed and stored together; nothing waits
for a timer.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from admin.bench.dense import Asked, DensePath, open_path

_MOST: Final = 64


class Together:
    """Gathers what one turn of the loop brings."""

    def __init__(self, path: DensePath) -> None:
        self._path = path
        self._waiting: list[tuple[str, asyncio.Future[bytes]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, text: str) -> bytes:
        """The reply, after the commit of the message."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append((text, answered))
        if len(self._waiting) == 1:
            loop.call_soon(self._drain)
        return await answered

    def _drain(self) -> None:
        taken, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._drain)
        task = asyncio.ensure_future(self._settle(taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, taken: list[tuple[str, asyncio.Future[bytes]]]) -> None:
        try:
            found = self._path.answer([text for text, _ in taken])
            ids = await self._path.store(found)
            for (_, answered), key, one in zip(taken, ids, found, strict=True):
                if not answered.done():
                    answered.set_result(self._path.reply(key, one))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            for _, answered in taken:
                if not answered.done():
                    answered.set_exception(error)


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    port, models, answers, vectors, database, durable = arguments
    path = open_path(
        Path(models), Path(answers), Path(vectors), Path(database),
        "FULL" if durable == "FULL" else "NORMAL",
    )  # fmt: skip
    together = Together(path)
    decoder = msgspec.json.Decoder(Asked)

    async def suggest(request: web.Request) -> web.Response:
        body = await together.ask(decoder.decode(await request.read()).text)
        return web.Response(body=body, content_type="application/json")

    async def ready(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ready")

    application = web.Application()
    application.router.add_post("/suggest", suggest)
    application.router.add_get("/ready", ready)
    web.run_app(application, host="127.0.0.1", port=int(port), access_log=None, print=None)


if __name__ == "__main__":
    main(sys.argv[1:])
