"""Who asks: session cookie or API token to a person or a program, and the CSRF token of a session.

Tokens are random and stored as hashes by ``bot.store``; here they are only carried.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

from aiohttp import web

from bot.access.attempts import Attempts
from bot.access.devices import device_name
from bot.access.passwords import Passwords
from bot.domain import Agent
from bot.errors import Forbidden
from bot.limits import ClientAddresses, RateLimiter
from bot.services import SERVICES, Services

if TYPE_CHECKING:
    from bot.store.records import ApiToken, Session

AGENT: web.RequestKey[Agent] = web.RequestKey("agent", Agent)
API_TOKEN: web.RequestKey[ApiToken] = web.RequestKey("api_token")
SESSION_TOKEN: web.RequestKey[str] = web.RequestKey("session_token", str)
SESSION: web.RequestKey[Session] = web.RequestKey("session")

SESSION_TTL_S = 7 * 86_400.0
_GOOD_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{16,256}")


class Access:
    """What the guards remember between requests."""

    def __init__(self, services: Services, passwords: Passwords | None = None) -> None:
        http = services.settings.http
        self.addresses = ClientAddresses(http.trusted_proxies)
        self.anonymous = RateLimiter(http.requests_per_minute, 60.0)
        self.pages = RateLimiter(services.settings.events.requests_per_minute, 60.0)
        self.bad_tokens = RateLimiter(30, 60.0)
        self.passwords = passwords or Passwords()
        self.attempts = Attempts()

    def close(self) -> None:
        """Let the password threads end."""
        self.passwords.close()


ACCESS: web.AppKey[Access] = web.AppKey("access", Access)


async def identify(request: web.Request) -> Agent | None:
    """The signed-in person, or None; asked once per request."""
    known: Agent | None = request.get(AGENT)
    if known is not None:
        return known
    token = request.cookies.get(cookie_name(request), "")
    if not _GOOD_TOKEN.fullmatch(token):
        return None
    found = await request.config_dict[SERVICES].store.people.session(token)
    if found is None or found[0].disabled_at is not None:
        return None
    agent, session = found
    request[AGENT] = agent
    request[SESSION] = session
    request[SESSION_TOKEN] = token
    return agent


def who(request: web.Request) -> tuple[Agent | None, str]:
    """The person that a page is drawn for and the CSRF token of its forms."""
    session = request.get(SESSION)
    return request.get(AGENT), session.csrf_token if session is not None else ""


def actor(request: web.Request) -> str:
    """Who acts, for history and audit: a person's login, or a program's token by its name."""
    agent: Agent | None = request.get(AGENT)
    if agent is not None:
        return str(agent.login)
    token = request.get(API_TOKEN)
    return f"token {token.name}" if token is not None else ""


def csrf_matches(request: web.Request, given: str) -> bool:
    """True when ``given`` is the token of this session; compared in constant time."""
    known = request[SESSION].csrf_token
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))


def bearer(request: web.Request) -> str | None:
    """The API token of the request; ``""`` where it is malformed, None where there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    secret = secret.strip()
    return secret if _GOOD_TOKEN.fullmatch(secret) else ""


def cookie_name(request: web.Request) -> str:
    """``__Host-neurobot`` over https; browsers drop such cookies on plain http."""
    secure = request.config_dict[ACCESS].addresses.is_secure(request)
    return "__Host-neurobot" if secure else "neurobot"


def refuse_plain(request: web.Request) -> None:
    """Let nobody sign in where the password and the cookie could be read on the way.

    Raises:
        Forbidden: plain http from another machine, or through a proxy that is not trusted.
    """
    addresses = request.config_dict[ACCESS].addresses
    if not addresses.is_secure(request) and not addresses.is_local(request):
        raise Forbidden(
            "Signing in needs https.",
            remedy="Open the page with https://; name your proxy in http.trusted_proxies.",
        )


async def begin_session(request: web.Request, response: web.StreamResponse, agent: Agent) -> None:
    """Sign ``agent`` in: a new session and its cookie, whatever cookie came before.

    Raises:
        Forbidden: as ``refuse_plain``.
    """
    refuse_plain(request)
    secure = request.config_dict[ACCESS].addresses.is_secure(request)
    people = request.config_dict[SERVICES].store.people
    before = request.cookies.get(cookie_name(request), "")
    if _GOOD_TOKEN.fullmatch(before):
        await people.revoke_session(before)
    token = await people.create_session(
        agent.id,
        SESSION_TTL_S,
        address=request.config_dict[ACCESS].addresses.address(request),
        device=device_name(request.headers.get("User-Agent", "")),
    )
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=int(SESSION_TTL_S),
        httponly=True,
        samesite="Lax",
        secure=secure,
        path="/",
    )


def drop_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Take the session cookie back."""
    name = cookie_name(request)
    response.del_cookie(
        name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="Lax"
    )
