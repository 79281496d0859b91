"""Rates, addresses behind proxies, clients that stand still."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.errors import SettingsInvalid, TooManyRequests
from bot.limits import ClientAddresses, RateLimiter, Reaper


def test_bucket_refuses_then_refills() -> None:
    now = [0.0]
    limiter = RateLimiter(2, 60.0, now=lambda: now[0])
    limiter.take("a")
    limiter.take("a")
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a")
    assert refused.value.retry_after_s == 30
    limiter.take("b")
    now[0] = 30.0
    limiter.take("a")


def test_a_proxy_that_is_no_address_is_refused_with_a_remedy() -> None:
    with pytest.raises(SettingsInvalid, match="trusted_proxies") as refused:
        ClientAddresses(["proxy.example"])
    assert refused.value.remedy


async def _seen(trusted: list[str], headers: dict[str, str]) -> dict[str, object]:
    addresses = ClientAddresses(trusted)

    async def handler(request: web.Request) -> web.Response:
        return web.json_response(
            {
                "address": addresses.address(request),
                "secure": addresses.is_secure(request),
                "local": addresses.is_local(request),
            }
        )

    app = web.Application()
    app.router.add_get("/", handler)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/"), headers=headers) as response,
    ):
        return json.loads(await response.text())


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ([], "1.2.3.4", "127.0.0.1"),  # nobody believes an unknown peer
        (["127.0.0.1"], "1.2.3.4", "1.2.3.4"),
        (["127.0.0.1", "10.0.0.0/8"], "6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"),  # 6.6.6.6: a lie
        (["127.0.0.1"], "rubbish", "127.0.0.1"),
        (["127.0.0.1"], "1.2.3.4, rubbish", "127.0.0.1"),
        (["127.0.0.0/8"], "::1", "::1"),
    ],
)
async def test_address_behind_proxies(trusted: list[str], forwarded: str, expected: str) -> None:
    seen = await _seen(trusted, {"X-Forwarded-For": forwarded})
    assert seen["address"] == expected
    # behind a proxy that nobody trusts sits anybody
    assert seen["local"] is (bool(trusted) and expected in {"127.0.0.1", "::1"})


@pytest.mark.parametrize(("trusted", "secure"), [([], False), (["127.0.0.1"], True)])
async def test_only_a_trusted_proxy_makes_a_request_secure(
    trusted: list[str], secure: bool
) -> None:
    seen = await _seen(trusted, {"X-Forwarded-Proto": "https"})
    assert seen["secure"] is secure


async def test_a_client_that_never_reads_is_cut() -> None:
    cut = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            cut.set()
            raise

    app = web.Application()
    app.router.add_get("/", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reaper = Reaper(runner.server, stalled_s=0.3, every_s=0.05)
    reaper.start()
    _, port = runner.addresses[0]
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.transport.pause_reading()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        await asyncio.wait_for(cut.wait(), 10)
    finally:
        writer.transport.abort()
        await reaper.stop()
        await runner.cleanup()
