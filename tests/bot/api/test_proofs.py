"""A page names its visitor: believed with the site's proof, refused without."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import msgspec
import pytest

from bot.api.proofs import proof
from bot.app import running

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "events.md"
SECRET = "a secret of the site, long and random"
VIEW = {"name": "page_view", "visitor": "browser-1"}


@pytest.fixture
async def page(server_settings):
    """``await page(events)``: status and text of a beacon with the site's public key."""
    events = msgspec.structs.replace(server_settings.events, identity_secret=SECRET)
    settings = msgspec.structs.replace(server_settings, events=events)
    async with running(settings) as server, aiohttp.ClientSession(server.url) as client:
        address = f"/api/v1/events?key={server.services.intake.site_key}"

        async def send(body: object, **headers: str) -> tuple[int, str]:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            async with client.post(address, data=data, headers=headers) as reply:
                return reply.status, await reply.text()

        send.server = server
        yield send


async def test_a_proven_name_ties_the_visitor(page) -> None:
    signed = {**VIEW, "customer": "c-42", "company": "acme", "proof": proof(SECRET, "c-42", "acme")}
    assert await page([VIEW, signed]) == (204, "")
    assert page.server.services.intake.identity("browser-1") == ("c-42", "acme")


FORGED = (
    {"customer": "c-42"},
    {"company": "acme"},
    {"customer": "c-42", "proof": ""},
    {"customer": "c-42", "proof": "0" * 64},
    {"customer": "c-42", "proof": proof(SECRET, "c-41")},  # somebody else's
    {"customer": "c-42", "company": "acme", "proof": proof(SECRET, "c-42")},
    {"customer": "c-42", "proof": proof("another secret", "c-42")},
    {"customer": "c-42", "proof": 5},
    {"customer": "c-42", "proof": None},
    {"customer": "c-42", "proof": "ы"},
)
SPELLINGS = (
    b'{"name":"page_view","visitor":"browser-1","c\\u0075stomer":"c-42"}',
    b'{"name":"a","customer":"c-42"}\n{"name":"b","customer":"c-42"}',
    b'{"name":"a","visitor":"browser-1","customer":"","customer":"c-42"}',
    b'[[{"name":"a","customer":"c-42"}]]',
    b'"c-42"',
    b"[",
)


async def test_nobody_takes_a_name_without_proof(page) -> None:
    for claim in FORGED:
        status, said = await page([VIEW, {**VIEW, **claim}])
        assert status == 400, claim
        assert "$[1].proof" in said, claim
    for body in SPELLINGS:
        assert (await page(body))[0] == 400, body
    intake = page.server.services.intake
    assert intake.identity("browser-1") == ("", "")
    assert await intake.events.recent_ids(10) == []  # whole or not at all


async def test_programs_are_believed(page) -> None:
    _, token = await page.server.services.store.people.create_token("shop", ["events:write"])
    claim = {**VIEW, "customer": "c-42"}
    assert (await page(claim, Authorization=f"Bearer {token}"))[0] == 204
    assert page.server.services.intake.identity("browser-1") == ("c-42", "")


async def test_a_site_may_sign_before_the_server_knows_the_secret(server) -> None:
    key = server.services.intake.site_key
    early = {**VIEW, "customer": "c-42", "proof": proof(SECRET, "c-42")}
    async with (
        aiohttp.ClientSession(server.url) as browser,
        browser.post(f"/api/v1/events?key={key}", json=early) as reply,
    ):
        assert reply.status == 204
    assert server.services.intake.identity("browser-1") == ("c-42", "")


def test_the_document_signs_as_the_server_checks() -> None:
    code = re.search(r"```python\n(import hashlib.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec(code[1], names)
    assert names["proof"](SECRET, "Жан", "acme") == proof(SECRET, "Жан", "acme")
