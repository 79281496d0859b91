"""A stream ends when its client has left, whether or not there is news."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from bot.app import Running
from bot.domain import Role
from bot.http import errors_middleware
from bot.streams import STREAMS


async def _left(server: Running) -> None:
    async with asyncio.timeout(10):
        while len(server.app[STREAMS]):
            await asyncio.sleep(0.05)


async def test_a_visitors_stream_ends_with_its_client(server: Running) -> None:
    async with aiohttp.ClientSession(server.url) as client:
        async with client.post("/chat/visitors", json={}) as reply:
            client.headers["Authorization"] = f"Bearer {(await reply.json())['token']}"
        body = {"id": "first-message", "text": "hello"}
        async with client.post("/chat/messages", json=body) as reply:
            talk = (await reply.json())["conversation"]
        streams = [await client.get(f"/chat/events?conversation={talk}") for _ in range(20)]
        for stream in streams:
            assert await stream.content.readany()
        assert len(server.app[STREAMS]) == 20
        for stream in streams[1:]:
            stream.close()
        async with asyncio.timeout(10):
            while len(server.app[STREAMS]) > 1:
                await asyncio.sleep(0.05)
        streams[0].close()
        await _left(server)


async def test_the_desks_stream_ends_with_its_page(server: Running, sign_in) -> None:
    session = await sign_in(Role.AGENT)
    stream = await session.get("/desk/events")
    assert len(server.app[STREAMS]) == 1
    stream.close()
    await _left(server)


async def test_a_client_that_leaves_while_it_is_written_to_is_no_error(caplog) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        try:
            while True:
                await stream.write(b"news")
                await asyncio.sleep(0)
        finally:
            ended.set()

    app = web.Application(middlewares=[errors_middleware()])
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as client:
        stream = await client.get(url)
        await stream.content.readany()
        stream.close()
        async with asyncio.timeout(10):
            await ended.wait()
    await runner.cleanup()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
