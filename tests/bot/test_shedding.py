"""Who is let in while too much is worked on."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.shedding import shedding_middleware

MOST = 3


@pytest.fixture
async def busy():
    """A server at its bound: an open client, and what lets the working requests go."""
    release, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def work(_: web.Request) -> web.Response:
        begun.release()
        await release.wait()
        return web.Response(text="done")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="page")

    app = web.Application(middlewares=[shedding_middleware(MOST)])
    app.router.add_post("/", work)
    app.router.add_get("/", page)
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        url = server.make_url("/")
        working = [asyncio.create_task(client.post(url, data=b"x")) for _ in range(MOST)]
        for _ in working:
            await begun.acquire()
        yield client, url, release, working, begun
        release.set()


async def test_one_more_is_told_to_come_again_and_pages_are_served(busy) -> None:
    client, url, release, working, _ = busy
    async with client.post(url, data=b"x") as refused:
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await refused.json(content_type=None))["code"] == "overloaded"
    async with client.get(url) as page:
        assert page.status == 200
    release.set()
    assert [(await one).status for one in working] == [200] * MOST
    async with client.post(url, data=b"x") as again:
        assert again.status == 200


async def test_a_body_on_its_way_takes_nobodys_place(busy) -> None:
    client, url, release, working, begun = busy
    more = asyncio.Event()

    async def slowly():
        yield b"x"
        await more.wait()

    slow = asyncio.create_task(client.post(url, data=slowly()))
    await asyncio.wait_for(begun.acquire(), 5)  # let in, beyond the bound, and counted nowhere
    release.set()
    await asyncio.gather(*working)
    more.set()
    assert (await slow).status == 200
