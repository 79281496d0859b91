"""Every route against every role, token and origin."""

from __future__ import annotations

import re

import aiohttp
import msgspec
import pytest

from bot.access import declared_routes
from bot.app import Running, running
from bot.domain import Role
from bot.settings import Settings

PASSWORD = "four quiet words here"


RIGHTS = {
    "public": 0,
    "visitor": 0,
    "local": 0,
    "agent": 1,
    "admin": 2,
    "token": 2,
    "owner": 3,
}


@pytest.mark.parametrize("who", ["nobody", "agent", "admin", "owner"])
async def test_every_route_against_every_role(server: Running, client, sign_in, who: str) -> None:
    level = ["nobody", "agent", "admin", "owner"].index(who)
    session = client if who == "nobody" else await sign_in(Role(who))
    for route in declared_routes(server.app):
        assert route is not None
        if route.path.endswith("/events"):  # streams do not end
            continue
        path = re.sub(r"{[^{}]*}", "999", route.path)
        # no body: whoever may pass gets a 4xx for that, never 401 or 403
        async with session.request(
            route.method, path, allow_redirects=False, headers={"Accept": "application/json"}
        ) as reply:
            need = RIGHTS[route.right.split(":")[0]]
            where = f"{who}: {route.method} {route.path}"
            if level >= need:
                if route.right not in {"public", "visitor"}:
                    assert reply.status not in {401, 403}, where
                assert reply.status < 500, f"{where}: {await reply.text()}"
            else:
                assert reply.status == (401 if who == "nobody" else 403), where
        if route.path == "/sign-out" and who != "nobody":
            session = await sign_in(Role(who))


@pytest.mark.parametrize("method", ["POST"])
async def test_no_unsafe_route_works_without_the_csrf_token(
    server: Running, sign_in, method: str
) -> None:
    session = await sign_in(Role.OWNER)
    del session.headers["X-CSRF-Token"]
    for route in declared_routes(server.app):
        if route is None or route.method != method or route.right in {"public", "visitor"}:
            continue
        path = re.sub(r"{[^{}]*}", "999", route.path)
        for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": "й"}):
            async with session.request(method, path, headers=headers) as reply:
                assert reply.status == 403, route.path


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
    ],
)
async def test_other_sites_cannot_sign_anybody_in_or_act(client, sign_in, headers) -> None:
    fields = {"login": "ann", "password": PASSWORD}
    async with client.post("/sign-in", data=fields, headers=headers) as reply:
        assert reply.status == 403
    session = await sign_in()
    async with session.post("/sign-out", headers=headers) as reply:
        assert reply.status == 403


async def test_own_origin_is_welcome(server: Running, sign_in) -> None:
    session = await sign_in()
    async with session.post(
        "/sign-out", headers={"Origin": server.url}, allow_redirects=False
    ) as reply:
        assert reply.status == 303


async def test_an_api_token_opens_what_its_scopes_name(server: Running, program) -> None:
    reader = await program("conversations:read")
    async with reader.get("/api/v1/conversations") as reply:
        assert reply.status == 200
    async with reader.post("/api/v1/suggest", json={"text": "a"}) as reply:
        assert reply.status == 403
        assert "suggest" in (await reply.json(content_type=None))["detail"]
    async with reader.get("/desk", headers={"Accept": "application/json"}) as reply:
        assert reply.status == 401
    boss = await program("admin")
    async with boss.get("/api/v1/conversations") as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    "header",
    ["Bearer wrongwrongwrongwrongwrong", "Bearer ", "Bearer \udcff" + "x" * 30, "Bearer й" * 9],
)
async def test_a_wrong_api_token_is_refused(client, header: str) -> None:
    raw = header.encode("utf-8", "surrogateescape").decode("latin-1")
    async with client.get("/api/v1/conversations", headers={"Authorization": raw}) as reply:
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_token_is_refused(server: Running, program) -> None:
    session = await program("suggest")
    (token,) = await server.services.store.people.tokens()
    await server.services.store.people.revoke_token(token.id)
    async with session.post("/api/v1/suggest", json={"text": "a"}) as reply:
        assert reply.status == 401


@pytest.mark.parametrize("cookie", ["x", "a" * 43, "é" * 43, "x" * 5000, ""])
async def test_a_made_up_cookie_is_nobody(server: Running, cookie: str) -> None:
    async with aiohttp.ClientSession(server.url) as client:
        headers = {"Cookie": f"neurobot={cookie}", "Accept": "application/json"}
        async with client.get("/account", headers=headers) as reply:
            assert reply.status == 401


async def test_anonymous_requests_are_limited_per_address(server_settings: Settings) -> None:
    http = msgspec.structs.replace(server_settings.http, requests_per_minute=3)
    async with (
        running(msgspec.structs.replace(server_settings, http=http)) as server,
        aiohttp.ClientSession(server.url) as client,
    ):
        codes = [(await client.get("/health")).status for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        async with client.get("/health") as reply:
            assert int(reply.headers["Retry-After"]) >= 1
        async with client.get("/static/ui.css") as reply:
            assert reply.status == 200
