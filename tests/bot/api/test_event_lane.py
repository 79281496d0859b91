"""Event requests over raw sockets: what takes the short way, what does not, and nobody can tell."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from bot.app import running

PATH = "/api/v1/events"
ODD = "X-Odd: 1"  # a header that the lane does not know: the server answers


def body_of(number, **fields):
    return json.dumps({"id": f"e{number}", "name": "page_view", "visitor": "v", **fields}).encode()


class Wire:
    """One connection and what came back over it."""

    def __init__(self, reader, writer, token):
        self.reader, self.writer, self.token = reader, writer, token

    def request(self, body, *headers, length=None, path=PATH):
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"]
        lines += [f"Content-Length: {len(body) if length is None else length}", *headers]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def answer(self):
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            rest = await self.reader.readexactly(int(length[1]) if length else 0)
        status, *headers = head.strip().split("\r\n")
        return int(status.split()[1]), dict(one.split(": ", 1) for one in headers), rest

    async def ask(self, *args, **fields):
        self.writer.write(self.request(*args, **fields))
        return await self.answer()


@pytest.fixture
async def wire(server):
    """Opens connections to the server with a token of these scopes."""
    opened = []

    async def connect(*scopes):
        people = server.services.store.people
        _, token = await people.create_token("wire", scopes or ("events:write",))
        port = int(server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return Wire(reader, writer, token)

    yield connect
    for writer in opened:
        writer.close()


async def stored(server):
    return set(await server.services.intake.events.recent_ids(1000))


async def test_the_answer_is_that_of_the_server(server, wire) -> None:
    line = await wire()
    status, short, _ = await line.ask(body_of(1))
    again, whole, _ = await line.ask(body_of(2), ODD)
    assert status == again == 204
    assert short.keys() == whole.keys()
    assert short.pop("X-Request-Id") != whole.pop("X-Request-Id")
    del short["Date"], whole["Date"]
    assert short == whole
    assert await stored(server) == {"e1", "e2"}


async def test_an_answered_request_is_counted(server, wire) -> None:
    line = await wire("events:write", "admin")
    for number in range(3):
        await line.ask(body_of(number))
    metrics = await line.ask(b"", path="/metrics")
    assert metrics[0] == 405  # the same connection goes on with the server
    line.writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    _, _, text = await line.answer()
    assert re.search(rb'route="/api/v1/events",status="204"} 3\.0', text)


async def test_requests_may_come_in_pieces_and_before_the_answer(server, wire) -> None:
    line = await wire()
    whole = b"".join(line.request(body_of(n)) for n in range(40))
    for first in range(0, len(whole), 100):
        line.writer.write(whole[first : first + 100])
        await asyncio.sleep(0)
    for _ in range(40):
        assert (await line.answer())[0] == 204
    line = await wire()
    line.writer.write(line.request(body_of(100)) + line.request(body_of(101)))
    assert [(await line.answer())[0] for _ in range(2)] == [204, 204]
    assert await stored(server) == {f"e{n}" for n in (*range(40), 100, 101)}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "truncated"),
        (b"", 400, "empty"),
        (b'{"name": 5}', 400, "$.name"),
        (body_of(1, title="t" * 501), 400, "$.title"),
        (body_of(1, at=33_000_000_000), 400, "$.at"),
        (b" " * 2_000_000, 413, "larger"),
    ],
)
async def test_what_is_wrong_is_told_by_the_server(server, wire, body, status, said) -> None:
    line = await wire()
    found, _, text = await line.ask(body)
    assert found == status
    assert said in json.loads(text)["detail"]
    assert await stored(server) == set()


async def test_rights_are_those_of_now(server, wire) -> None:
    line, other = await wire(), await wire("messages:write")
    assert (await line.ask(body_of(1)))[0] == 204
    assert (await other.ask(body_of(2)))[0] == 403
    people = server.services.store.people
    for token in await people.tokens():
        await people.revoke_token(token.id)
    assert (await line.ask(body_of(3)))[0] == 401
    assert await stored(server) == {"e1"}


@pytest.mark.parametrize(
    "header",
    [
        "Transfer-Encoding: chunked",
        "Content-Length: 3",
        "Content-Encoding: gzip",
        "content-length : 5",
        "Authorization: Bearer other",
        "Expect: 100-continue",
        " folded: 1",
        "X\x00Y: 1",
    ],
)
async def test_a_head_of_two_meanings_is_no_event(server, wire, header: str) -> None:
    """The server's own reader decides, and the rest is never taken for a second request."""
    line = await wire()
    hidden = line.request(body_of(2))
    line.writer.write(line.request(hidden, header))
    async with asyncio.timeout(10):
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert int(head.split()[1]) in {100, 400, 401, 413}, head
    assert await stored(server) == set()


async def test_a_full_queue_is_refused_with_a_time(server, wire, monkeypatch) -> None:
    line = await wire()
    await line.ask(body_of(0))
    monkeypatch.setattr(server.services.intake, "_max_waiting", 1)
    filling = server.services.intake.offer((await events_of_one(7),))
    line.writer.write(line.request(body_of(1)))
    status, headers, _ = await line.answer()
    assert status in {204, 429}
    assert status == 204 or int(headers["Retry-After"]) >= 1
    assert await filling == 1


async def events_of_one(number):
    from bot.api.event_body import events_of

    return events_of(body_of(number), 2e9, 10_000)[0]


async def test_a_silent_connection_is_cut_and_a_busy_one_kept(server_settings, monkeypatch) -> None:
    monkeypatch.setattr("bot.app.KEEPALIVE_S", 0.2)
    async with running(server_settings) as server:
        _, token = await server.services.store.people.create_token("t", ("events:write",))
        port = int(server.url.rpartition(":")[2])
        silent, held = await asyncio.open_connection("127.0.0.1", port)
        line = Wire(*await asyncio.open_connection("127.0.0.1", port), token)
        for number in range(6):
            assert (await line.ask(body_of(number)))[0] == 204
            await asyncio.sleep(0.08)
        async with asyncio.timeout(5):
            assert await silent.read() == b""
            assert await line.reader.read() == b""
        held.close()
        line.writer.close()


async def test_the_end_waits_for_what_is_being_stored(server_settings) -> None:
    async with running(server_settings) as server:
        _, token = await server.services.store.people.create_token("t", ("events:write",))
        port = int(server.url.rpartition(":")[2])
        lines = [Wire(*await asyncio.open_connection("127.0.0.1", port), token) for _ in range(20)]
        for number, line in enumerate(lines):
            assert (await line.ask(body_of(number)))[0] == 204
            line.writer.write(line.request(body_of(100 + number)))
        await asyncio.sleep(0)
    for line in lines:
        try:
            found = await line.reader.read()
        except ConnectionResetError:
            found = b""
        assert found.startswith(b"HTTP/1.1 204") or found == b""
        line.told = bool(found)
        line.writer.close()
    async with running(server_settings) as server:
        known = await stored(server)
    assert {f"e{100 + n}" for n, line in enumerate(lines) if line.told} <= known
