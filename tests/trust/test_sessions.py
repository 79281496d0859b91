"""Sessions and secrets: made anew, kept as digests, ended at once; passwords are dear to guess."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import msgspec
import pytest

from bot.access import ACCESS, Passwords
from bot.access.attempts import Attempts
from bot.domain import Role
from bot.errors import TooManyRequests
from bot.limits import RateLimiter

PASSWORD = "four quiet words here"
PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.4"}


def cookie_of(reply: aiohttp.ClientResponse) -> tuple[str, str, dict[str, str]]:
    """Name, value and flags of the only cookie that is set."""
    (header,) = reply.headers.getall("Set-Cookie")
    ((name, morsel),) = SimpleCookie(header).items()
    return name, morsel.value, {k: str(v) for k, v in morsel.items() if v}


async def with_password(house, login: str = "ann") -> None:
    people = house.store.people
    agent = await people.create_agent(login, login.title(), Role.AGENT, "en")
    hashed = await house.server.app[ACCESS].passwords.hash(PASSWORD)
    await people.set_password(agent.id, hashed)


async def signed_in(house, headers: dict[str, str], login: str = "ann") -> str:
    nobody = await house.nobody()
    fields = {"login": login, "password": PASSWORD}
    async with nobody.http.post(
        "/sign-in", data=fields, headers=headers, allow_redirects=False
    ) as reply:
        assert reply.status == 303, await reply.text()
        return cookie_of(reply)[1]


async def known(house, value: str, name: str = "neurobot") -> bool:
    nobody = await house.nobody()
    headers = {"Cookie": f"{name}={value}", "Accept": "application/json"}
    async with nobody.http.get("/account", headers=headers) as reply:
        assert reply.status in {200, 401}
        return reply.status == 200


async def test_a_planted_session_never_becomes_anothers(house) -> None:
    """Also where the planted one is real: the attacker's own, left in the victim's browser."""
    await with_password(house)
    await with_password(house, "eve")
    planted = await signed_in(house, {}, "eve")
    value = await signed_in(house, {"Cookie": f"neurobot={planted}"})
    assert value != planted
    assert await known(house, value)
    assert not await known(house, planted)  # ended, rather than left with two people


async def test_what_was_ended_stays_ended(house) -> None:
    await with_password(house)
    people = house.store.people
    agent, _ = await people.by_login("ann")

    async def csrf(value: str) -> str:
        return (await people.session(value))[1].csrf_token

    async def act(value: str, path: str, **fields: str) -> int:
        nobody = await house.nobody()
        headers = {"Cookie": f"neurobot={value}", "X-CSRF-Token": await csrf(value)}
        async with nobody.http.post(
            path, data=fields, headers=headers, allow_redirects=False
        ) as reply:
            return reply.status

    first, second = await signed_in(house, {}), await signed_in(house, {})
    assert await act(first, "/sign-out") == 303
    assert not await known(house, first)
    assert await known(house, second)
    third = await signed_in(house, {})
    token = await csrf(second)
    other = next(s.id for s in await people.sessions(agent.id) if s.csrf_token == token)
    assert await act(third, f"/account/sessions/{other}/end") == 303
    assert not await known(house, second)
    fourth = await signed_in(house, {})
    fields = {"current": PASSWORD, "password": "five other quiet words"}
    assert await act(third, "/account/password", **fields) == 303
    assert not await known(house, fourth)
    assert not await known(house, third)  # it went on in a new one
    link = await people.one_time_link(agent.id)
    await people.disable(agent.id)
    nobody = await house.nobody()
    assert (await nobody.post(f"/sign-in/link/{link}"))[0] == 404


async def test_sessions_end_by_silence_and_by_age(settings, store, clock) -> None:
    agent = await store.people.create_agent("ann", "Ann", Role.AGENT, "en")
    silent = await store.people.create_session(agent.id)
    clock.advance(8 * 3600 + 1)
    assert await store.people.session(silent) is None
    busy = await store.people.create_session(agent.id)
    for _ in range(7 * 24 // 6):
        assert await store.people.session(busy) is not None
        clock.advance(6 * 3600)
    assert await store.people.session(busy) is None


async def test_cookies_over_https_cannot_be_read_moved_or_planted(new_house, settings) -> None:
    http = msgspec.structs.replace(settings.http, trusted_proxies=("127.0.0.1",))
    settings = msgspec.structs.replace(settings, http=http)
    async with new_house(settings) as house:
        await with_password(house)
        nobody = await house.nobody()
        fields = {"login": "ann", "password": PASSWORD}
        async with nobody.http.post(
            "/sign-in", data=fields, headers=PROXIED, allow_redirects=False
        ) as reply:
            name, value, flags = cookie_of(reply)
        assert name == "__Host-neurobot"
        assert flags.keys() == {"secure", "httponly", "path", "samesite", "max-age"}
        assert (flags["path"], flags["samesite"]) == ("/", "Lax")  # no domain: this host alone
        # the name without the prefix, which a neighbour could set, is not looked at
        headers = {**PROXIED, "Cookie": f"neurobot={value}", "Accept": "application/json"}
        async with nobody.http.get("/account", headers=headers) as reply:
            assert reply.status == 401
        headers["Cookie"] = f"__Host-neurobot={value}"
        async with nobody.http.get("/account", headers=headers) as reply:
            assert reply.status == 200


async def test_secrets_are_random_and_kept_as_digests(house) -> None:
    people, settings = house.store.people, house.server.services.settings
    agent = await people.create_agent("ann", "Ann", Role.AGENT, "en")
    made = [await people.create_session(agent.id) for _ in range(50)]
    made += [await people.one_time_link(agent.id) for _ in range(50)]
    made += [(await people.create_token("t", ["admin"]))[1] for _ in range(50)]
    visitor = await house.visitor()
    made.append(visitor.http.headers["Authorization"].removeprefix("Bearer "))
    async with visitor.http.post(
        "/chat/messages", json={"id": "first-message", "text": "hello"}
    ) as reply:
        assert reply.status == 201
    assert len(set(made)) == len(made)
    assert min(len(secret.removeprefix("nb_")) for secret in made) >= 43  # 256 bits
    files = [path.read_bytes() for path in settings.data_path.rglob("*") if path.is_file()]
    assert sum(map(len, files)) > 50_000
    for secret in made:
        assert not any(secret.encode() in content for content in files)


async def test_a_password_costs_a_guesser_much_and_the_server_little(record_property) -> None:
    passwords = Passwords()
    try:
        encoded = await passwords.hash(PASSWORD)
        found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$.+", encoded)
        memory, passes, lanes = map(int, found.groups())
        # Source: OWASP Password Storage Cheat Sheet, the least for argon2id
        assert memory >= 19 * 1024
        assert passes >= 2
        assert lanes >= 1
        before = _peak_kib(reset=True)
        tries = [passwords.verify(encoded, "wrong") for _ in range(200)]
        ended = await asyncio.gather(*tries, return_exceptions=True)
        refused = [one for one in ended if isinstance(one, TooManyRequests)]
        assert all(one is False or one in refused for one in ended)
        assert len(refused) >= 200 - 16
        grown = (_peak_kib() - before) / 1024
        assert grown <= 2 * memory / 1024 + 16  # two at a time
    finally:
        passwords.close()
    record_property(
        "figure",
        f"argon2id m={memory // 1024} MiB t={passes} p={lanes}; 200 at once: {len(refused)} told to"
        f" come back, {grown:.0f} MiB more",
    )


def _peak_kib(*, reset: bool = False) -> int:
    """Largest resident size since the last reset. Source: proc(5), clear_refs and VmHWM."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


@pytest.mark.timeout(1200)
async def test_an_unknown_login_takes_as_long(house, sized, record_property) -> None:
    """Processor time, alternating, so that a busy machine weighs on both."""
    await with_password(house)
    access = house.server.app[ACCESS]
    nobody = await house.nobody()
    spent: dict[str, list[float]] = {"ann": [], "nobody-here": []}
    for _ in range(sized(5, 40, 200)):
        for login, times in spent.items():
            access.attempts = Attempts()
            began = time.process_time()
            status, _ = await nobody.post("/sign-in", data={"login": login, "password": "x" * 12})
            times.append(time.process_time() - began)
            assert status == 403
    known_s, unknown_s = (statistics.median(times) for times in spent.values())
    apart = abs(known_s - unknown_s) / known_s
    assert apart < sized(25, 5, 5) / 100
    record_property("figure", f"medians of a known and an unknown login differ by {apart:.1%}")


@pytest.mark.parametrize("kind", ["token", "link"])
async def test_guessing_tokens_and_links_is_limited(house, kind: str) -> None:
    house.server.app[ACCESS].bad_tokens = RateLimiter(30, 60.0)
    nobody = await house.nobody()
    codes = []
    for number in range(40):
        wrong = f"wrong-token-{number:04d}-xxxxxxxx"
        if kind == "token":
            nobody.http.headers["Authorization"] = f"Bearer {wrong}"
            codes.append((await nobody.get("/api/v1/conversations"))[0])
        else:
            codes.append((await nobody.post(f"/sign-in/link/{wrong}"))[0])
    assert codes[:30] == [401 if kind == "token" else 404] * 30
    assert set(codes[31:]) == {429}
