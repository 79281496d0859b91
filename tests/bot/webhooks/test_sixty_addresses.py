"""Sixty ways to write an address inside: none of them reaches what listens there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from bot.webhooks import networks

ALLOWED = "127.0.0.2"  # the one address inside that the settings name
# Names that lead inside; the last ones answer differently each time they are asked.
NAMES = {
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "7f000001.nip.example": ["127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "zero.example": ["0.0.0.0"],
    "both.example": ["127.0.0.1", "::1"],
    "rebinding.example": [ALLOWED, "127.0.0.1", "127.0.0.1"],
    "rebinding-late.example": [ALLOWED, ALLOWED, "127.0.0.1"],
}
HOSTS = (
    "127.0.0.1", "127.0.0.3", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001",
    "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001", "0177.1", "127.0.0.01", "0127.0.0.1",
    "127.0x0.0.1", "0", "0.0.0.0", "00.0.0.0", "localhost", "LOCALHOST", "localhost.",
    "127.0.0.1.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]",
    "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "192.0.0.192",
    "198.18.0.1", "224.0.0.1", "255.255.255.255", "１２７.0.0.1", "①②⑦.0.0.1",
)  # fmt: skip
ODD = (
    "http://user@127.0.0.1:{port}/", "http://a.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@a.example/", "http://127.0.0.1:{port}\\@a.example/",
    "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x",
    "unix:///tmp/x.sock", "//127.0.0.1:{port}/", "https://127.0.0.1:{port}/",
)  # fmt: skip


class Names(aiohttp.abc.AbstractResolver):
    """Answers for ``NAMES``, one after another; everything else as the machine resolves it."""

    def __init__(self) -> None:
        self._machine = aiohttp.ThreadedResolver()
        self._asked = {name: list(answers) for name, answers in NAMES.items()}

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if host not in self._asked:
            return await self._machine.resolve(host, port, family)
        answers = self._asked[host]
        if "rebinding" in host:
            answers = [answers.pop(0) if len(answers) > 1 else answers[0]]
        return [
            {"hostname": host, "host": address, "port": port, "proto": socket.IPPROTO_TCP,
             "family": socket.AF_INET6 if ":" in address else socket.AF_INET, "flags": 0}
            for address in answers
        ]  # fmt: skip

    async def close(self) -> None:
        await self._machine.close()


@dataclass
class Canary:
    """Counts who connects to what listens inside."""

    port: int = 0
    connections: int = 0

    async def sing(self, _, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    made = Canary()
    four = await asyncio.start_server(made.sing, "127.0.0.1", 0)
    made.port = four.sockets[0].getsockname()[1]
    servers = [four]
    with contextlib.suppress(OSError):  # a machine without IPv6 has nothing to reach there
        servers.append(await asyncio.start_server(made.sing, "::1", made.port))
    yield made
    for server in servers:
        server.close()


@pytest.fixture
async def redirecting(canary: Canary) -> AsyncIterator[str]:
    """A receiver at the allowed address that sends its callers inside."""

    async def lead(_: web.Request) -> web.Response:
        inside = {"Location": f"http://127.0.0.1:{canary.port}/"}
        answer = web.Response(status=307, headers=inside)
        answer.force_close()  # an open connection would keep the address of a name that turns
        return answer

    app = web.Application()
    app.router.add_post("/{path:.*}", lead)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    # The port of the canary, so that a name that turns would meet it there.
    await web.TCPSite(runner, ALLOWED, canary.port).start()
    yield f"http://{ALLOWED}:{canary.port}/"
    await runner.cleanup()


@pytest.fixture
async def outcome(store, new_sender):
    """``await outcome(urls)``: how the first try to reach each ended."""
    sender = new_sender(private=networks([f"{ALLOWED}/32"]), resolver=Names())
    await sender.start()

    async def send(urls: list[str]) -> dict[str, str]:
        deliveries = {}
        for url in urls:
            # Past the form, which would refuse half of them: what counts is where it is connected.
            webhook, _ = await store.webhooks.create("x", url, ["message.created"])
            deliveries[url] = await store.webhooks.test(webhook, "")
        sender.wake()
        errors: dict[str, str] = {}
        async with asyncio.timeout(60):
            while left := set(urls) - set(errors):
                for url in left:
                    _, tries = await store.webhooks.delivery(deliveries[url])
                    if tries:
                        errors[url] = tries[0].error
                await asyncio.sleep(0.05)
        return errors

    yield send
    await sender.stop()


async def test_none_of_sixty_addresses_is_reached(
    outcome, canary, redirecting, record_property
) -> None:
    urls = [f"http://{host}:{canary.port}/" for host in (*HOSTS, *NAMES)]
    urls += [one.replace("{port}", str(canary.port)) for one in ODD]
    turning = [url for url in urls if "rebinding" in url]
    first = await outcome([*urls, redirecting])
    # The sender works, and goes no further; so do names whose first answer is the allowed address.
    through = {url for url, error in first.items() if error == "redirect"}
    assert through == {redirecting, *turning}
    second, third = await outcome(turning), await outcome(turning)
    assert sorted(second.values()) == ["address-refused", "redirect"]
    assert set(third.values()) == {"address-refused"}
    assert canary.connections == 0
    refused = [url for url, error in {**first, **third}.items() if error == "address-refused"]
    assert set(first.values()) == {"address-refused", "network", "redirect"}
    assert len(refused) > 40
    assert len(urls) >= 60
    with socket.create_connection(("127.0.0.1", canary.port)):  # the canary does sing
        async with asyncio.timeout(5):
            while not canary.connections:
                await asyncio.sleep(0.01)
    record_property("figure", f"{len(urls) + 1} addresses, {len(refused)} refused when connected")
