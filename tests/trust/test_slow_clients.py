"""Clients that begin and never end: heads, bodies, readers. All are cut, nobody else waits."""

from __future__ import annotations

import asyncio
import functools
import socket
import statistics
import time

import pytest

import bot.app
import bot.http
from bot.domain import Author
from bot.limits import KEEPALIVE_S, STALLED_S, Reaper
from bot.store.records import Reply

FLOOR_S = 15.0
HEADS = (b"", b"G", b"POST /sign-in HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
BODY = (
    b"POST /chat/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + b"a" * 43 + b"\r\nContent-Length: 100\r\n\r\n"
)


@pytest.fixture
def times(sized, monkeypatch) -> float:
    """How long anything may hang in this run, in seconds: the product's own times, or a tenth."""
    if sized(0, 1, 1):
        assert max(KEEPALIVE_S, bot.http.BODY_TIMEOUT_S, STALLED_S) < FLOOR_S
        return FLOOR_S
    monkeypatch.setattr(bot.app, "KEEPALIVE_S", 1.0)
    monkeypatch.setattr(bot.http, "BODY_TIMEOUT_S", 1.0)
    hasty = functools.partial(Reaper, stalled_s=1.0, every_s=0.2)
    monkeypatch.setattr(bot.app, "Reaper", hasty)
    return 5.0


async def never_ending(port: int, start: bytes, drip: bytes, lasted: list[float]) -> bytes:
    """Send the beginning, then a byte now and then, until the server hangs up."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    answer = asyncio.create_task(reader.read())
    while not answer.done():
        await asyncio.wait([answer], timeout=0.7)
        if drip and not answer.done():
            writer.write(drip)
    lasted.append(time.monotonic() - began)
    writer.close()
    return b"" if answer.exception() else answer.result()


async def never_reading(port: int, request: bytes, lasted: list[float]) -> None:
    """Ask for a stream and take nothing of it, until the server hangs up."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, request)
        began = time.monotonic()
        while not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            await asyncio.sleep(0.1)
            if time.monotonic() - began > 60:
                break
        lasted.append(time.monotonic() - began)


async def served(caller, stop: asyncio.Event, took: list[float]) -> None:
    """Somebody who only wants to be served."""
    while not stop.is_set():
        began = time.monotonic()
        status, _ = await caller.get("/ready")
        assert status == 200
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)


@pytest.mark.timeout(300)
async def test_slow_senders_are_cut_and_others_served(
    new_house, settings, times, sized, record_property
) -> None:
    count = sized(80, 500, 2_000)
    async with new_house(settings) as house:
        port = int(house.server.url.rsplit(":", 1)[1])
        stop, took, lasted = asyncio.Event(), [], []
        other = asyncio.create_task(served(await house.nobody(), stop, took))
        heads = [
            never_ending(port, HEADS[n % 4], b"a" if n % 4 == 3 else b"", lasted)
            for n in range(count)
        ]
        bodies = [never_ending(port, BODY, b" ", lasted) for _ in range(count // 5)]
        answers = await asyncio.wait_for(asyncio.gather(*heads, *bodies), 60)
        stop.set()
        await other
        assert max(lasted) <= times
        assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers[count:])
        assert not any(b"HTTP/1.1 2" in answer or b"HTTP/1.1 5" in answer for answer in answers)
    waited, longest = statistics.median(took), max(took)
    assert waited < 0.5
    record_property(
        "figure",
        f"{count} heads, {count // 5} bodies: the last cut after {max(lasted):.1f} s; "
        f"others served {len(took)} times, median {waited * 1000:.0f} ms, "
        f"longest {longest * 1000:.0f} ms",
    )


@pytest.mark.timeout(300)
async def test_readers_that_take_nothing_are_cut(
    new_house, settings, times, sized, record_property
) -> None:
    async with new_house(settings) as house:
        port = int(house.server.url.rsplit(":", 1)[1])
        visitor = await house.visitor()
        body = {"id": "first-message", "text": "hello"}
        async with visitor.http.post("/chat/messages", json=body) as reply:
            talk = (await reply.json())["conversation"]
        row = await house.store.conversations.by_public_id(talk)
        request = (
            f"GET /chat/events?conversation={talk} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: {visitor.http.headers['Authorization']}\r\n\r\n"
        ).encode()
        lasted: list[float] = []
        readers = [
            asyncio.create_task(never_reading(port, request, lasted))
            for _ in range(sized(3, 10, 30))
        ]
        stop, took = asyncio.Event(), []
        other = asyncio.create_task(served(await house.nobody(), stop, took))
        for number in range(200):  # the stream's history grows to more than sockets hold
            reply = Reply(
                text="й" * 4000, author=Author.AGENT, idempotency_key=f"k{number}", hold_s=0.0
            )
            await house.store.conversations.reply(row.id, reply)
            if number > 190:
                house.server.services.delivery.wake()
                house.server.services.bus.publish(f"conversation:{talk}", "state", {})
                await asyncio.sleep(0.05)
        full = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*readers), 60)
        cut_s = time.monotonic() - full
        stop.set()
        await other
        assert cut_s <= times
    record_property("figure", f"{len(readers)} readers that take nothing: cut after {cut_s:.1f} s")
