"""Passwords, links, sessions, and the pages around them."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie

import aiohttp
import msgspec
import pytest

from bot.access import ACCESS
from bot.access.attempts import Attempts
from bot.access.passwords import Passwords, checked_password
from bot.access.signin import local_path
from bot.app import Running, running
from bot.domain import Role
from bot.errors import BadRequest, TooManyRequests
from bot.settings import Settings

PASSWORD = "four quiet words here"


async def _with_password(server: Running, login: str = "ann", role: Role = Role.AGENT) -> None:
    people = server.services.store.people
    agent = await people.create_agent(login, login.title(), role, "en")
    await people.set_password(agent.id, await server.app[ACCESS].passwords.hash(PASSWORD))


def _cookie(reply: aiohttp.ClientResponse, name: str = "neurobot") -> str:
    cookies: SimpleCookie = SimpleCookie()
    for header in reply.headers.getall("Set-Cookie", []):
        cookies.load(header)
    return cookies[name].OutputString()


async def test_wrong_password_and_unknown_login_look_the_same(server: Running, client) -> None:
    await _with_password(server, "known-1")
    pages = []
    for login in ("known-1", "stranger-2"):
        async with client.post("/sign-in", data={"login": login, "password": "x" * 12}) as reply:
            assert reply.status == 403
            assert "Set-Cookie" not in reply.headers
            pages.append((await reply.text()).replace(login, "LOGIN"))
    assert pages[0] == pages[1]


async def test_guessing_is_slowed_for_the_guesser_alone(server: Running, client) -> None:
    await _with_password(server)
    for _ in range(5):
        await client.post("/sign-in", data={"login": "ann", "password": "x" * 12})
    async with client.post("/sign-in", data={"login": "ann", "password": PASSWORD}) as reply:
        assert reply.status == 429
        assert "Retry-After" in reply.headers
    server.app[ACCESS].attempts.check("ann", "192.0.2.7")  # another address still may


async def test_right_passwords_are_not_counted(server: Running, client) -> None:
    await _with_password(server)
    fields = {"login": "ann", "password": PASSWORD}
    for _ in range(22):
        async with client.post("/sign-in", data=fields, allow_redirects=False) as reply:
            assert reply.status == 303
            client.cookie_jar.clear()


async def test_an_untrusted_proxy_does_not_use_a_link_up(server: Running, client) -> None:
    token = await server.services.store.people.one_time_link(None)
    headers = {"X-Forwarded-For": "198.51.100.4", "X-Forwarded-Proto": "https"}
    async with client.post(f"/sign-in/link/{token}", headers=headers) as reply:
        assert reply.status == 403
    async with client.post(f"/sign-in/link/{token}", allow_redirects=False) as reply:
        assert reply.status == 303


def test_attempts_per_address_and_the_growing_delay() -> None:
    now = [0.0]
    attempts = Attempts(now=lambda: now[0])
    for number in range(20):
        attempts.check(f"login{number}", "192.0.2.1")
        attempts.failed(f"login{number}", "192.0.2.1")
    with pytest.raises(TooManyRequests):
        attempts.check("login99", "192.0.2.1")
    for number in range(100):
        attempts.failed("ann", f"192.0.2.{number}")
    assert attempts.delay_s("Ann ") == 4.0
    attempts.check("ann", "198.51.100.1")
    now[0] = 900.0
    assert attempts.delay_s("ann") == 0.0
    attempts.check("login99", "192.0.2.1")


async def test_a_password_signs_in_and_out(server: Running, client) -> None:
    await _with_password(server)
    fields = {"login": "ann", "password": PASSWORD, "next": "/account"}
    async with client.post("/sign-in", data=fields, allow_redirects=False) as reply:
        assert (reply.status, reply.headers["Location"]) == (303, "/account")
        cookie = _cookie(reply)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    async with client.get("/account", headers=headers) as reply:
        page = await reply.text()
        assert reply.status == 200
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    fields = {"csrf_token": token[1]}
    async with client.post(
        "/sign-out", data=fields, headers=headers, allow_redirects=False
    ) as reply:
        assert reply.status == 303
        assert reply.headers["Clear-Site-Data"] == '"storage"'
    async with client.get("/account", headers=headers, allow_redirects=False) as reply:
        assert reply.status == 401


async def test_https_behind_a_trusted_proxy_gets_the_host_cookie(
    server_settings: Settings,
) -> None:
    http = msgspec.structs.replace(server_settings.http, trusted_proxies=("127.0.0.1",))
    async with running(msgspec.structs.replace(server_settings, http=http)) as server:
        await _with_password(server)
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.4"}
        fields = {"login": "ann", "password": PASSWORD}
        async with aiohttp.ClientSession(server.url) as client:
            async with client.post(
                "/sign-in", data=fields, headers=proxied, allow_redirects=False
            ) as reply:
                cookie = _cookie(reply, "__Host-neurobot")
            assert "Secure" in cookie
            assert "Path=/" in cookie
            proxied["X-Forwarded-Proto"] = "http"  # readable on the way: refused
            async with client.post("/sign-in", data=fields, headers=proxied) as reply:
                assert reply.status == 403
                assert "Set-Cookie" not in reply.headers


async def test_a_link_survives_its_preview_and_works_once(server: Running, client) -> None:
    token = await server.services.store.people.one_time_link(None)
    for _ in range(3):
        async with client.get(f"/sign-in/link/{token}") as reply:
            assert reply.status == 200
    async with client.post(f"/sign-in/link/{token}", allow_redirects=False) as reply:
        assert reply.status == 303
        cookie = _cookie(reply)
    async with client.get("/account", headers={"Cookie": cookie.split(";")[0]}) as reply:
        assert reply.status == 200
    (owner,) = await server.services.store.people.agents()
    assert owner.role is Role.OWNER
    async with client.post(f"/sign-in/link/{token}") as reply:
        assert reply.status == 404
        assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize("token", ["x", "%D0%B9", "%ED%A0%80", "%00", "a" * 3000])
async def test_a_made_up_link_is_refused(client, token: str) -> None:
    async with client.post(f"/sign-in/link/{token}") as reply:
        assert reply.status == 404


async def test_a_disabled_agent_is_out_at_once(server: Running, sign_in) -> None:
    await _with_password(server)
    session = await sign_in(login="bob")
    found = await server.services.store.people.by_login("bob")
    await server.services.store.people.disable(found[0].id)
    async with session.get("/account", headers={"Accept": "application/json"}) as reply:
        assert reply.status == 401


async def test_signing_in_gives_a_new_session(server: Running, client) -> None:
    """A cookie planted before cannot become the session of who signs in."""
    await _with_password(server)
    planted = "planted" * 6
    async with client.post(
        "/sign-in",
        data={"login": "ann", "password": PASSWORD},
        headers={"Cookie": f"neurobot={planted}"},
        allow_redirects=False,
    ) as reply:
        assert planted not in _cookie(reply)


# --- the account ---


async def test_a_new_password_ends_the_other_sessions(server: Running, sign_in, client) -> None:
    first = await sign_in(login="ann")
    people = server.services.store.people
    agent = (await people.by_login("ann"))[0]
    other = await people.create_session(agent.id)
    async with first.post(
        "/account/password", data={"password": PASSWORD}, allow_redirects=False
    ) as reply:
        assert (reply.status, reply.headers["Location"]) == (303, "/account?saved=1")
    assert await people.session(other) is None
    found = await people.by_login("ann")
    assert found[1].startswith("$argon2id$")
    fields = {"login": "ann", "password": PASSWORD}
    async with client.post("/sign-in", data=fields, allow_redirects=False) as reply:
        assert reply.status == 303


@pytest.mark.parametrize(
    "fields",
    [{"password": "short"}, {"password": "a" * 20}, {"current": "wrong", "password": PASSWORD}],
)
async def test_a_password_is_not_changed_by_mistake(server: Running, sign_in, fields) -> None:
    session = await sign_in(login="ann")
    people = server.services.store.people
    agent = (await people.by_login("ann"))[0]
    if "current" in fields:
        hashed = await server.app[ACCESS].passwords.hash("the old quiet words")
        before = hashed
        token = session.cookie_jar.filter_cookies(session._base_url)["neurobot"].value
        await people.set_password(agent.id, hashed, keep_session=token)
    else:
        before = None
    async with session.post("/account/password", data=fields) as reply:
        assert reply.status == 400
    assert (await people.by_login("ann"))[1] == before


async def test_another_session_can_be_ended_but_not_somebody_elses(
    server: Running, sign_in
) -> None:
    ann, bob = await sign_in(login="ann"), await sign_in(login="bob")
    people = server.services.store.people
    bobs = (await people.by_login("bob"))[0]
    (theirs,) = await people.sessions(bobs.id)
    async with ann.post(f"/account/sessions/{theirs.id}/end") as reply:
        assert reply.status == 200
    async with bob.get("/account") as reply:
        assert reply.status == 200
    async with bob.post(f"/account/sessions/{theirs.id}/end", allow_redirects=False):
        pass
    assert await people.sessions(bobs.id) == []


# --- pages and small parts ---


async def test_a_page_leads_to_the_sign_in_and_back(client) -> None:
    headers = {"Accept": "text/html"}
    async with client.get("/account?x=1", headers=headers, allow_redirects=False) as reply:
        assert (reply.status, reply.headers["Location"]) == (303, "/sign-in?next=/account%3Fx%3D1")
    async with client.get("/sign-in?next=/account%3Fx%3D1") as reply:
        assert 'value="/account?x=1"' in await reply.text()


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_errors_are_pages_for_people(client, language: str) -> None:
    headers = {"Accept": "text/html", "Accept-Language": language}
    async with client.get("/no/such/page", headers=headers) as reply:
        assert reply.status == 404
        assert reply.content_type == "text/html"
        page = await reply.text()
    assert ("Здесь ничего нет" if language == "ru" else "There is nothing here") in page
    assert f'lang="{language}"' in page
    for mark in ("<script>", "style=", "onclick"):
        assert mark not in page


@pytest.mark.parametrize(
    "text",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "desk",
     "/a\nb", "http://[", "", "/sign-out", "/\t/evil.example"],
)  # fmt: skip
def test_no_way_out_to_another_site(text: str) -> None:
    assert local_path(text) == "/desk"


def test_own_paths_are_kept() -> None:
    assert local_path("/desk?c=1&view=all#x") == "/desk?c=1&view=all#x"


@pytest.mark.parametrize("text", ["", "short", "a" * 30, "abababababab", "x" * 257])
def test_weak_passwords_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        checked_password(text)


@pytest.mark.parametrize(
    "text",
    [
        "password123", "P@ssw0rd2024", "qwertyuiop", "1q2w3e4r5t", "0987654321", "iloveyou12",
        "LetMeIn1234", "пароль12345", "йцукенгшщз", "welcome-2026!", "12.05.1987", "admin_admin",
        "ann.petrova1", "Acme-2026",
    ],
)  # fmt: skip
def test_what_is_guessed_first_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        checked_password(text, ["ann.petrova", "Acme Ltd."])


@pytest.mark.parametrize(
    "text", [PASSWORD, "mxkqzvwbtr", "4815162342 lost", "тихий синий чайник", "x1y2z3-90-ёж"]
)
def test_no_kind_of_character_is_asked_for(text: str) -> None:
    assert checked_password(text, ["ann", "Acme"]) == text


async def test_password_hashes() -> None:
    passwords = Passwords()
    try:
        encoded = await passwords.hash("пароль из четырёх слов")
        assert encoded.startswith("$argon2id$")
        assert await passwords.verify(encoded, "пароль из четырёх слов")
        assert not await passwords.verify(encoded, "\ud800")
        assert not await passwords.verify(None, "anything")
        assert not await passwords.verify("not a hash", "anything")
    finally:
        passwords.close()
