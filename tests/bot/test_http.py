"""No bytes end in a 500, and every answer carries its headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import http
from bot.errors import BadRequest, StorageUnavailable, TooManyRequests


class Body(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    top_k: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    page: Annotated[int, msgspec.Meta(ge=1)] = 1


async def _echo(request: web.Request) -> web.Response:
    body = await http.decode(request, Body)
    body.text.encode("utf-8")  # what a database would do
    return http.json_response({"text": body.text})


async def _form(request: web.Request) -> web.Response:
    fields = await http.form(request)
    return http.json_response({name: str(value) for name, value in fields.items()})


async def _query(request: web.Request) -> web.Response:
    return http.json_response(http.query(request, Asked))


async def _row(request: web.Request) -> web.Response:
    return http.json_response({"id": http.row_id(request)})


async def _fail(request: web.Request) -> web.Response:
    raise RuntimeError("a secret detail")


async def _busy(request: web.Request) -> web.Response:
    raise TooManyRequests(retry_after_s=17)


async def _full(request: web.Request) -> web.Response:
    raise StorageUnavailable


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    (tmp_path / "app.js").write_text("1;")
    (tmp_path / ".hidden").write_text("no")
    app = web.Application(
        middlewares=[http.request_id_middleware(), http.errors_middleware()],
        client_max_size=10_000,
    )
    app[http.MAX_BODY_BYTES] = 200_000
    app[http.MAX_UPLOAD_BYTES] = 300_000
    app.on_response_prepare.append(http.security_headers)
    app.router.add_post("/echo", _echo)
    app.router.add_post("/form", _form)
    app.router.add_get("/query", _query)
    app.router.add_get("/row/{id}", _row)
    app.router.add_get("/fail", _fail)
    app.router.add_get("/busy", _busy)
    app.router.add_get("/full", _full)
    app.router.add_get("/static/{path:.+}", http.static_files(tmp_path))
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


HOSTILE = {
    "nothing": b"",
    "blank": b"  \n",
    "not JSON": b"{text:",
    "bad UTF-8": b'{"text":"\xff\xfe"}',
    "overlong UTF-8": b'{"text":"\xc0\x80"}',
    "raw NUL": b'{"text":"a\x00"}',
    "list": b"[]",
    "null": b"null",
    "number": b"1",
    "string": b'"text"',
    "wrong type": b'{"text":1}',
    "missing": b"{}",
    "unknown field": b'{"text":"a","extra":1}',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 30_000,
    "deep unknown": b'{"text":"a","x":' + b"[" * 100_000,
    "deep with escape": b'{"text":"\\u0000","x":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "huge int": b'{"text":"a","top_k":' + b"9" * 5_000 + b"}",
    "float for int": b'{"text":"a","top_k":1.5}',
    "infinity": b'{"text":"a","top_k":1e999}',
    "out of range": b'{"text":"a","top_k":21}',
    "bool for int": b'{"text":"a","top_k":true}',
    "lone surrogate key": b'{"text":"a","\\ud800":1}',
    "lone surrogate": b'{"text":"\\ud800"}',
    "duplicate": b'{"text":"a","text":2}',
    "UTF-16": '{"text":"a"}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_json_is_refused_with_a_reason(base, body: bytes) -> None:
    async with base.post("/echo", data=body, headers={"Content-Type": "application/json"}) as reply:
        problem = json.loads(await reply.read())
        assert reply.status == 400, problem
        assert reply.content_type == "application/problem+json"
        assert problem["code"] == "bad-request"
        assert problem["detail"]
        assert problem["request_id"] == reply.headers["X-Request-Id"]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=50).map(lambda t: json.dumps({"text": t}).encode()),
    )
)
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    try:
        http.decode_bytes(body, Body).text.encode("utf-8")
    except BadRequest as error:
        error.detail.encode("utf-8")


async def test_the_place_of_a_mistake_is_named(base) -> None:
    async with base.post("/echo", json={"text": 1}) as reply:
        assert "$.text" in (await reply.json(content_type=None))["detail"]
    async with base.get("/query?page=x") as reply:
        assert "page" in (await reply.json(content_type=None))["detail"]


async def test_nul_becomes_the_replacement_character(base) -> None:
    async with base.post("/echo", json={"text": "a\x00b"}) as reply:
        assert (await reply.json())["text"] == "a�b"


async def test_astral_characters_pass(base) -> None:
    async with base.post("/echo", json={"text": "привет 😀"}) as reply:
        assert (await reply.json())["text"] == "привет 😀"


async def test_other_content_types_are_refused(base) -> None:
    async with base.post(
        "/echo", data=b'{"text":"a"}', headers={"Content-Type": "text/plain"}
    ) as reply:
        assert reply.status == 415
    async with base.post(
        "/form", data=b"{}", headers={"Content-Type": "application/json"}
    ) as reply:
        assert reply.status == 415


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_refused(base, chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10_000

    data = pieces() if chunked else b"x" * 300_000
    headers = {"Content-Type": "application/json"}
    async with base.post("/echo", data=data, headers=headers) as reply:
        assert reply.status == 413
    async with base.post("/echo", json={"text": "x" * 150_000}) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"a=\xff"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"a=1"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"not multipart"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--\r\n'),  # noqa: E501
        ("multipart/form-data; boundary=x", b"--x\r\n\xff\xfe: 1\r\n\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nv\r\n--x--\r\n'),  # noqa: E501
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Encoding: gzip\r\n\r\nv\r\n--x--\r\n'),  # noqa: E501
        ("multipart/form-data; boundary=" + "x" * 100, b""),
    ],
)  # fmt: skip
async def test_hostile_forms_never_end_in_a_500(base, content_type: str, body: bytes) -> None:
    async with base.post("/form", data=body, headers={"Content-Type": content_type}) as reply:
        assert reply.status in {200, 400}, await reply.text()


async def test_a_form_is_cleaned(base) -> None:
    async with base.post("/form", data={"a": "x\x00", "b": "й"}) as reply:
        assert await reply.json() == {"a": "x�", "b": "й"}


@pytest.mark.parametrize("text", ["0x1", "-1", "٣", "1" * 30, "9223372036854775808", "a"])
async def test_a_path_that_is_no_row_is_not_found(base, text: str) -> None:
    async with base.get(f"/row/{text}") as reply:
        assert reply.status == 404


async def test_a_failure_says_nothing_of_itself(base) -> None:
    async with base.get("/fail") as reply:
        assert reply.status == 500
        assert "secret" not in await reply.text()


async def test_retry_after(base) -> None:
    async with base.get("/busy") as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (429, "17")
    async with base.get("/full") as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (503, "5")


async def test_unknown_addresses_and_methods_are_problems_too(base) -> None:
    async with base.get("/nothing") as reply:
        assert (await reply.json(content_type=None))["code"] == "not-found"
    async with base.get("/echo") as reply:
        assert (await reply.json(content_type=None))["code"] == "method-not-allowed"
        assert reply.headers["Allow"] == "POST"


async def test_request_ids_are_kept_when_well_formed(base) -> None:
    async with base.get("/nothing", headers={"X-Request-Id": "trace-1"}) as reply:
        assert reply.headers["X-Request-Id"] == "trace-1"
    async with base.get("/nothing", headers={"X-Request-Id": "<b>" * 50}) as reply:
        assert reply.headers["X-Request-Id"] != "<b>" * 50


async def test_every_answer_is_guarded_by_headers(base) -> None:
    for path in ("/nothing", "/static/app.js", "/query"):
        async with base.get(path) as reply:
            policy = reply.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Referrer-Policy"] == "same-origin"
            assert "Server" not in reply.headers


@pytest.mark.parametrize(
    "path",
    ["../test_http.py", "..%2f..%2fetc/passwd", ".hidden", "a//b", "%00", "no.js", "x" * 5000],
)
async def test_static_files_stay_in_their_folder(base, path: str) -> None:
    async with base.get(f"/static/{path}") as reply:
        assert reply.status == 404
    async with base.get("/static/app.js") as reply:
        assert (reply.status, await reply.text()) == (200, "1;")
        assert reply.headers["Content-Type"] == "text/javascript; charset=utf-8"


async def test_a_slow_body_ends(base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_TIMEOUT_S", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"te'
        await asyncio.sleep(2)
        yield b'xt":"a"}'

    async with base.post(
        "/echo", data=slow(), headers={"Content-Type": "application/json"}
    ) as reply:
        assert reply.status == 408
