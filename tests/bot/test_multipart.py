"""Forms with files: what is refused on the way leaves no open file behind."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web

from bot.http import MAX_UPLOAD_BYTES, errors_middleware, form

LIMIT = 100_000
BOUNDARY = "----edge"


def part(name: str, content: bytes, filename: str = "") -> bytes:
    place = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{place}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tempfile.SpooledTemporaryFile[bytes]]]:
    """The temporary files that were made."""
    made: list[tempfile.SpooledTemporaryFile[bytes]] = []

    class Noted(tempfile.SpooledTemporaryFile):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr("bot.multipart.SpooledTemporaryFile", Noted)
    yield made
    gc.collect()  # an open one would warn, and warnings are errors here


@pytest.fixture
async def url(opened: list[object]) -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.Response:
        fields = await form(request)
        found = {}
        for name, field in fields.items():
            if isinstance(field, web.FileField):
                found[name] = [field.filename, field.content_type, len(field.file.read())]
            else:
                found[name] = field
        return web.json_response(found)

    app = web.Application(middlewares=[errors_middleware()])
    app[MAX_UPLOAD_BYTES] = LIMIT
    app.router.add_post("/", echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def post(url: str, body: bytes) -> tuple[int, object]:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=stream(), headers=TYPE) as response,
    ):
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize("size", [LIMIT + 200_000, 5_000_000])
async def test_a_body_far_over_the_limit_leaves_no_file_open(url, opened, size):
    body = part("first", b"small", "a.txt") + part("file", b"x" * size, "big.bin") + END
    try:
        status, answer = await post(url, body)
    except aiohttp.ClientConnectionError:
        pass  # the server closed while the rest was still on its way
    else:
        assert (status, answer["code"]) == (413, "too-large")
    assert opened
    assert all(file.closed for file in opened)


async def test_a_large_text_is_refused_and_the_file_before_it_closed(url, opened):
    body = part("file", b"x", "a.txt") + part("text", b"y" * (LIMIT + 70_000)) + END
    status, answer = await post(url, body)
    assert (status, answer["code"]) == (413, "too-large")
    assert all(file.closed for file in opened)


@pytest.mark.parametrize(
    "body",
    [
        part("file", b"x", "a.txt") + b"--wrong",
        part("file", b"x", "a.txt"),
        part("file", b"x", "a.txt") + part("text", b"\xff\xfe") + END,
        part("file", b"x", "a.txt") + f"--{BOUNDARY}\r\n\r\nnameless\r\n".encode() + END,
        b"".join(part(f"f{n}", b"x", "a.txt") for n in range(1001)) + END,
        part("file", b"x", "a.txt")
        + part("f", b"x", 'b.txt"\r\nContent-Transfer-Encoding: odd\r\nX: "')
        + END,
    ],
    ids=["cut", "endless", "charset", "nameless", "many", "encoding"],
)
async def test_a_damaged_form_leaves_no_file_open(url, opened, body):
    status, answer = await post(url, body)
    assert (status, answer["code"]) == (400, "bad-request")
    assert opened
    assert all(file.closed for file in opened)


async def test_a_client_that_goes_away_leaves_no_file_open(url, opened):
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE['Content-Type']}\r\n"
    writer.write(head.encode() + b"Content-Length: 90000\r\n\r\n" + part("f", b"x" * 999, "a"))
    await writer.drain()
    async with asyncio.timeout(5):
        while not opened:
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
        while not all(file.closed for file in opened):
            await asyncio.sleep(0.01)


async def test_a_good_form_is_read_and_its_files_are_closed_after_the_answer(url, opened):
    body = part("file", b"x" * 90_000, "a.txt") + part("text", "слово".encode()) + END
    assert await post(url, body) == (
        200,
        {"file": ["a.txt", "application/octet-stream", 90_000], "text": "слово"},
    )
    assert all(file.closed for file in opened)
