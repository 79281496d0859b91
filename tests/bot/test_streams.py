"""A stream ends when its client has left, whether or not there is news."""

from __future__ import annotations

import asyncio

import aiohttp

from bot.app import Running
from bot.domain import Role
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
