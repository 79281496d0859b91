"""Serves the fast preset; its arguments: PORT MODELS ANSWERS VECTORS DATABASE SYNCHRONOUS.

Messages that arrive in one turn of the event loop are computed, stored and answered together;
nothing waits for a timer. Plain requests are answered on their connections (``bot.api.lanes``), all
others by aiohttp.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from admin.bench.dense import Asked, DensePath, Found, open_path
from bot.api.lanes import Lane, Lanes

PATH: Final = "/suggest"
_MOST: Final = 64
_IDLE_S: Final = 75.0
_PATIENCE_S: Final = 5.0
_MAX_BODY_BYTES: Final = 65_536
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

Waiting = tuple[str, Lane | asyncio.Future[bytes]]


class Together(Lanes):
    """Gathers what one turn of the loop brings."""

    def __init__(self, path: DensePath, server: Callable[[], asyncio.Protocol]) -> None:
        super().__init__(PATH, server, idle_s=_IDLE_S, max_body_bytes=_MAX_BODY_BYTES)
        self._path = path
        self._decode = msgspec.json.Decoder(Asked).decode
        self._waiting: list[Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, lane: Lane, secret: str, body: bytes) -> None:
        """Answer with the others of this turn."""
        del secret
        try:
            text = self._decode(body).text
        except msgspec.MsgspecError:
            lane.hand_over()
        else:
            self._wait(text, lane)

    async def ask(self, text: str) -> bytes:
        """The reply, after the commit of the message."""
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._wait(text, answered)
        return await answered

    def _wait(self, text: str, sender: Lane | asyncio.Future[bytes]) -> None:
        self._waiting.append((text, sender))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        taken, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._drain)
        try:
            found = self._path.answer([text for text, _ in taken])
            ids = self._path.store_now(found)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            _fail(taken, error)
            return
        if ids is None:
            task = asyncio.ensure_future(self._settle(taken, found))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._reply(taken, found, ids)

    async def _settle(self, taken: Sequence[Waiting], found: Sequence[Found]) -> None:
        try:
            ids = await self._path.store(found)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            _fail(taken, error)
        else:
            self._reply(taken, found, ids)

    def _reply(self, taken: Sequence[Waiting], found: Sequence[Found], ids: Sequence[int]) -> None:
        for (_, sender), key, one in zip(taken, ids, found, strict=True):
            body = self._path.reply(key, one)
            if isinstance(sender, Lane):
                sender.answer(_HEAD % len(body) + body)
            elif not sender.done():
                sender.set_result(body)


def _fail(taken: Sequence[Waiting], error: Exception) -> None:
    for _, sender in taken:
        if isinstance(sender, Lane):
            sender.hand_over()  # the server tries again, and says why not
        elif not sender.done():
            sender.set_exception(error)


async def serve(path: DensePath, port: int) -> None:
    """Answer until the process is told to end."""

    async def suggest(request: web.Request) -> web.Response:
        try:
            body = msgspec.json.decode(await request.read(), type=Asked)
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(body=await together.ask(body.text), content_type="application/json")

    async def ready(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ready")

    application = web.Application()
    application.router.add_post(PATH, suggest)
    application.router.add_get("/ready", ready)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    together = Together(path, runner.server)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    listener = await loop.create_server(together, "127.0.0.1", port)
    await ended.wait()
    listener.close()
    await together.close(_PATIENCE_S)
    await runner.cleanup()
    await path.close()


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    port, models, answers, vectors, database, durable = arguments
    path = open_path(
        Path(models), Path(answers), Path(vectors), Path(database),
        "FULL" if durable == "FULL" else "NORMAL",
    )  # fmt: skip
    asyncio.run(serve(path, int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])
