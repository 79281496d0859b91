"""Bodies made from the API's own description, then spoilt: never a 500, never an undocumented one.

Each request is drawn from the schema of its operation (so that it gets past the decoder) and then
changed in one of many ways. A failure prints the number to draw it again: ``TEST_SEED``.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import zlib
from collections import Counter
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from bot.app import openapi_document
from bot.http import clean

SEED = int(os.environ.get("TEST_SEED", "11"))
ODD_TEXTS = (
    "", " ", "\x00", "a\x00b", "\u202eabc", "\u2066\u2067\u2068", "z\u0335\u0361\u035c" * 200,
    "😀" * 2000, "\ufeff", "\ufffe", "й" * 5000, "\r\n\r\nHTTP/1.1 200 OK", "'; DROP TABLE x; --",
    '"', "\\", "%00", "{{7*7}}", "${7*7}", "<script>", "../../etc/passwd", "NaN", "AND OR NOT ( *",
    "".join(chr(plane << 16 | 0x41) for plane in range(17)), "\u1160" * 100, "a" * 200_000,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, -0.0, 2**31, 2**53, 2**63, -(2**63), 10**30, [], {}, [[]],
    {"": None}, [None] * 100, {"a": {"a": {"a": []}}}, *ODD_TEXTS,
)  # fmt: skip
RAW = (
    b"", b"null", b"[", b"{", b'{"a":', b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000,
    b'{"text": ' + b"9" * 5000 + b"}", b'"\\ud800"', b'{"text": "\\ud800\\u0000"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}", b'{"text": "\xed\xa0\x80"}', b'{"text": 1e999}', b'{"a": 1, "a": 2}', b"NaN",
    b"{'text': 1}", b"-", b"\x00" * 100, b'{"text": "a"}garbage',
    b'{"id":"aaaaaaaa","text":"a"}' * 2,
)  # fmt: skip
KINDS = (
    "application/json", "application/json; charset=utf-16", "text/plain", "application/xml", "",
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/vnd.x+json", "application/json;;;", "application/x-ndjson",
)  # fmt: skip
ODD_PARTS = (
    "0",
    "-1",
    "x",
    "9" * 30,
    "%00",
    "%ED%A0%80",
    "%F0%9F%98%80",
    "..%2f..",
    "a" * 300,
    "'",
)
# What would start a process or end the run; their spoilt bodies are sent all the same.
NEVER_GOOD = {"/api/v1/jobs", "/api/v1/models/rollback"}


class Draw:
    """Requests from the description of the API."""

    def __init__(self, seed: int, document: dict[str, Any], known: list[str]) -> None:
        self.rng = random.Random(seed)
        self.schemas = document["components"]["schemas"]
        self.known = known  # ids that exist
        self.operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Something that fits ``schema``."""
        rng = self.rng
        if "$ref" in schema:
            return self.value(self.schemas[schema["$ref"].rsplit("/", 1)[-1]], depth)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(rng.choice(schema[key]), depth)
        if "enum" in schema:
            return rng.choice(schema["enum"])
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = rng.choice(kind)
        if kind == "object":
            fields = schema.get("properties", {})
            needed = set(schema.get("required", ()))
            return {
                name: self.value(inner, depth + 1)
                for name, inner in fields.items()
                if name in needed or rng.random() < 0.6
            }
        if kind == "array":
            most = min(schema.get("maxItems", 3), 3)
            least = min(schema.get("minItems", 0), most)
            items = schema.get("items", {})
            return [self.value(items, depth + 1) for _ in range(rng.randint(least, most))]
        return self._scalar(schema, kind)

    def _scalar(self, schema: dict[str, Any], kind: str | None) -> Any:
        rng = self.rng
        if kind == "integer":
            least, most = schema.get("minimum", 0), schema.get("maximum", 1000)
            return rng.choice(
                [least, most, rng.randint(least, max(least, min(most, least + 1000)))]
            )
        if kind == "number":
            return rng.choice([schema.get("minimum", 0), rng.random(), 1_800_000_000.0])
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "string":
            if "pattern" in schema or "maxLength" in schema:
                most = schema.get("maxLength", 64)
                return rng.choice([uuid4().hex, rng.choice(self.known), rng.choice(ODD_TEXTS)])[
                    :most
                ]
            return rng.choice([*ODD_TEXTS, *self.known, uuid4().hex])
        return rng.choice(ODD_VALUES)

    def spoilt(self, value: Any) -> Any:
        """``value`` with one place changed."""
        rng = self.rng
        if isinstance(value, dict) and value and rng.random() < 0.8:
            name = rng.choice(list(value))
            what = rng.random()
            if what < 0.2:
                return {key: item for key, item in value.items() if key != name}
            if what < 0.3:
                return {
                    **value,
                    rng.choice(["extra", "__class__", "\x00", ""]): rng.choice(ODD_VALUES),
                }
            return {**value, name: self.spoilt(value[name])}
        if isinstance(value, list) and value and rng.random() < 0.6:
            return [self.spoilt(value[0]), *value[1:]] * rng.choice([1, 1, 50])
        return rng.choice(ODD_VALUES)

    def body(self, operation: dict[str, Any], *, good: bool) -> tuple[bytes, dict[str, str]]:
        """Bytes and headers."""
        rng = self.rng
        headers = {"Content-Type": "application/json"}
        if "requestBody" not in operation or (not good and rng.random() < 0.15):
            body = rng.choice(RAW)
        else:
            content = operation["requestBody"]["content"]
            fits = self.value(next(iter(content.values()))["schema"])
            if not good and rng.random() < 0.7:
                fits = self.spoilt(fits)
            body = json.dumps(fits, ensure_ascii=rng.random() < 0.5).encode(
                "utf-8", "surrogatepass"
            )
        if not good and rng.random() < 0.25:
            body = self._damaged(body, headers)
        if not good and rng.random() < 0.1:
            headers["Content-Type"] = rng.choice(KINDS)
        return body, headers

    def _damaged(self, body: bytes, headers: dict[str, str]) -> bytes:
        rng = self.rng
        at = rng.randrange(len(body) + 1)
        coding = rng.choice(["cut", "bit", "insert", "gzip", "deflate", "lie", "br"])
        if coding == "cut":
            return body[:at]
        if coding == "bit" and at < len(body):
            return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
        if coding == "insert":
            return body[:at] + rng.randbytes(3) + body[at:]
        headers["Content-Encoding"] = {"lie": "gzip"}.get(coding, coding)
        if coding == "gzip":
            return gzip.compress(body)[: rng.choice([None, 20])]
        return zlib.compress(body) if coding == "deflate" else body

    def address(self, path: str) -> str:
        """The path with something in place of each name."""
        return re.sub(r"{\w+}", lambda _: self.rng.choice([*ODD_PARTS, *self.known]), path)

    def query(self, operation: dict[str, Any]) -> dict[str, str]:
        """Parameters, fitting or not."""
        asked = {}
        for parameter in operation["parameters"]:
            if parameter["in"] == "query" and self.rng.random() < 0.7:
                odd = self.rng.random() < 0.5
                value = self.rng.choice(ODD_VALUES) if odd else self.value(parameter["schema"])
                asked[parameter["name"]] = str(value)[:2000].encode("utf-8", "replace").decode()
        return asked


async def _callers(house) -> dict[str, aiohttp.ClientSession]:
    """Sessions with a connection for each request: one that was broken ends with its request."""
    found = {}
    for name, caller in (("/chat", await house.visitor()), ("", await house.program("admin"))):
        session = aiohttp.ClientSession(
            house.server.url,
            headers=caller.http.headers,
            connector=aiohttp.TCPConnector(force_close=True),
        )
        found[name] = await house.stack.enter_async_context(session)
    return found


@pytest.mark.timeout(900)
async def test_no_body_ends_in_a_500(house, sized, record_property) -> None:
    callers = await _callers(house)
    body = {"id": "first-message", "text": "hello"}
    async with callers["/chat"].post("/chat/messages", json=body) as reply:
        receipt = await reply.json()
    draw = Draw(SEED, openapi_document(), [receipt["conversation"], receipt["id"], "1"])
    count, failed, undocumented, seen = sized(600, 2_000, 20_000), [], Counter(), Counter()
    for number in range(count):
        path, method, operation = draw.operations[number % len(draw.operations)]
        good = draw.rng.random() < 0.3 and path not in NEVER_GOOD
        body, headers = draw.body(operation, good=good)
        session = callers["/chat" if path.startswith("/chat") else ""]
        async with session.request(
            method.upper(), draw.address(path), params=draw.query(operation), headers=headers,
            data=body if method != "get" else None, allow_redirects=False,
        ) as reply:  # fmt: skip
            seen[reply.status // 100] += 1
            if reply.status >= 500:
                failed.append(f"{number}: {method} {reply.url} {headers} {body[:200]!r}")
            elif str(reply.status) not in operation["responses"]:
                undocumented[f"{method} {path} {reply.status}"] += 1
    assert not failed, failed[:5]
    assert not undocumented, "\n".join(map(str, undocumented.most_common()))
    assert seen[2] > count / 50  # some come through, else nothing was tried
    assert (await (await house.nobody()).get("/ready"))[0] == 200
    record_property(
        "figure",
        f"{count:,} bodies: 0 of class 500, 0 undocumented; {seen[2]} accepted, {seen[4]} refused",
    )


async def test_odd_texts_come_back_as_they_were_stored(house) -> None:
    visitor, program = await house.visitor(), await house.program("conversations:read")
    sent = [text for text in ODD_TEXTS if text.strip() and len(text) <= 4000]
    for number, text in enumerate(sent):
        body = {"id": f"message-{number}", "text": text, "name": text[:80]}
        async with visitor.http.post("/chat/messages", json=body) as reply:
            assert reply.status == 201, (text[:30], await reply.text())
            talk = (await reply.json())["conversation"]
    async with visitor.http.get("/chat/history", params={"conversation": talk}) as reply:
        lines = [one for one in (await reply.json())["messages"] if one["author"] == "customer"]
    assert [line["text"].strip() for line in lines] == [clean(text).strip() for text in sent]
    status, _ = await program.get(f"/api/v1/conversations/{talk}")
    assert status == 200


@given(st.text(st.characters(codec=None), max_size=60))
def test_cleaning_a_text_twice_is_cleaning_it_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once.encode("utf-8").decode("utf-8") == once
    assert "\x00" not in once


COUNT = {"short": 5_000, "full": 100_000}.get(os.environ.get("TRUST_PROFILE", ""), 200)
test_cleaning_a_text_twice_is_cleaning_it_once = examples(
    max_examples=COUNT, derandomize=True, database=None
)(test_cleaning_a_text_twice_is_cleaning_it_once)
