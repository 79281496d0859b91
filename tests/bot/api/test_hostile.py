"""Thousands of odd requests on every route: never a 500, always a problem that names itself."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import aiohttp
import msgspec

from bot.access import Route, declared_routes
from bot.app import Running, running
from bot.domain import Role
from bot.settings import Settings

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, -(2**63), 10**30, 1e308, "", " ", "a", "\x00", "\u202e",
    "й" * 300, "😀", "\ufffe", "'; DROP TABLE messages; --", "{{7*7}}", "../../etc/passwd", "0",
    [], {}, [[]], {"": None}, ["a"] * 50, {"id": "x"}, "1970-01-01", "a" * 20_000, "%00", "NaN",
)  # fmt: skip
# Streams do not end, a sign-out would end the run, a password takes a tenth of a second, a job
# starts a process.
LEFT_OUT = ("/events", "/sign-out", "/sign-in", "/password", "/end", "/jobs")
ODD_PATHS = (
    "0", "1", "x", "-1", "9" * 25, "%00", "%ED%A0%80", "%F0%9F%98%80", "..%2f..", "a" * 300, "'",
)  # fmt: skip


def _body(rng: random.Random, route: Route) -> Any:
    if route.body is None or rng.random() < 0.2:
        return rng.choice(ODD)
    names = [field.name for field in msgspec.structs.fields(route.body)]
    chosen = {name: rng.choice(ODD) for name in names if rng.random() < 0.8}
    if rng.random() < 0.2:
        chosen[rng.choice(("extra", "__class__", "\x00"))] = rng.choice(ODD)
    return chosen


async def _send(
    rng: random.Random, session: aiohttp.ClientSession, route: Route
) -> aiohttp.ClientResponse:
    path = re.sub(r"{[^{}]*}", lambda _: rng.choice(ODD_PATHS), route.path)
    options: dict[str, Any] = {"allow_redirects": False}
    if route.method == "GET":
        names = ["page", "per_page", "query", "view", "q", "c", "lang", "next", "x", "after"]
        options["params"] = {
            rng.choice(names): str(rng.choice(ODD))[:500].replace("\ufffe", "") for _ in range(3)
        }
    elif rng.random() < 0.5:
        options["data"] = json.dumps(_body(rng, route)).encode()
        options["headers"] = {"Content-Type": "application/json"}
    elif rng.random() < 0.5:
        names = ("text", "login", "password", "current", "action", "expected_version", "name")
        options["data"] = {name: str(rng.choice(ODD))[:5000] for name in names}
    else:
        options["data"] = rng.randbytes(rng.randrange(200))
    return await session.request(route.method, path, **options)


async def test_odd_requests_never_end_in_a_500(server_settings: Settings, tmp_path) -> None:
    rng = random.Random(20260101)
    http = msgspec.structs.replace(server_settings.http, requests_per_minute=1_000_000)
    async with running(msgspec.structs.replace(server_settings, http=http)) as server:
        session = await _owner(server)
        routes = [
            route
            for route in declared_routes(server.app)
            if route and not route.path.endswith(LEFT_OUT)
        ]
        failed = []
        for number in range(2_500):
            route = routes[number % len(routes)]
            async with await _send(rng, session, route) as reply:
                if reply.status >= 500:
                    failed.append(f"{route.method} {route.path} -> {reply.status} {reply.url}")
                if reply.status == 401 and route.right not in {"visitor", "public"}:
                    failed.append(f"{route.path}: signed out")
        await session.close()
        assert not failed, failed[:5]
        assert await server.services.store.knowledge.revision() >= 0


async def _owner(server: Running) -> aiohttp.ClientSession:
    people = server.services.store.people
    agent = await people.create_agent("boss", "Boss", Role.OWNER, "en")
    token = await people.create_session(agent.id, 3600.0)
    found = await people.session(token)
    assert found is not None
    return aiohttp.ClientSession(
        server.url,
        cookies={"neurobot": token},
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"X-CSRF-Token": found[1].csrf_token},
    )
