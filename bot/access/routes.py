"""The one way to declare a route: with the right it asks for, enforced before its handler runs.

What a right means:

- ``public``, ``visitor``: anybody, at most so many requests a minute per address; a visitor's own
  token is the business of the handler.
- ``agent``, ``admin``, ``owner``: a signed-in person of this role or a higher one.
- ``token:<scope>``: an API token with this scope, or a signed-in admin.
- ``local``: this machine, an API token with the scope ``admin``, or a signed-in admin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from bot.access.identity import (
    ACCESS,
    AGENT,
    API_TOKEN,
    bearer,
    csrf_matches,
    identify,
)
from bot.domain import Agent, Role
from bot.errors import Forbidden, NotSignedIn
from bot.http import Handler, form
from bot.services import SERVICES

SCOPES = (
    "messages:write",
    "suggest",
    "conversations:read",
    "verdicts:write",
    "events:write",
    "catalogue:write",
    "admin",
)
_RANK = {Role.AGENT: 0, Role.ADMIN: 1, Role.OWNER: 2}
_ROLES = {role.value: role for role in Role}
_OPEN = frozenset({"public", "visitor"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_RIGHTS = frozenset({*_OPEN, *_ROLES, "local", *(f"token:{scope}" for scope in SCOPES)})


class Route(msgspec.Struct, frozen=True):
    """One row of the route table.

    Attributes:
        right: who may call it, see the head of this module.
        summary: one line for the API document; routes without one stay out of it.
        body: type of the JSON body, reply: of the JSON answer, which is of ``media_type``.
        query: type of the query string.
        status: of a successful answer; ``again``: of one to a request that was answered before.
        limited: False exempts a public route from the rate per address (the webhook, static files).
    """

    method: str
    path: str
    handler: Handler
    right: str
    summary: str = ""
    body: Any = None
    reply: Any = None
    media_type: str = "application/json"
    query: Any = None
    status: int = 200
    again: int = 0
    limited: bool = True


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add ``routes`` with their guards.

    Raises:
        ValueError: a right that does not exist.
    """
    for route in routes:
        if route.right not in _RIGHTS:
            raise ValueError(f"{route.method} {route.path}: there is no right '{route.right}'")
        guarded = _guarded(route)
        if route.method == "GET":
            app.router.add_get(route.path, guarded)  # HEAD as well
        else:
            app.router.add_route(route.method, route.path, guarded)


def declared_routes(app: web.Application) -> Iterator[Route | None]:
    """The declaration of every route, also of sub-applications; None where one has none."""
    for entry in app.router.routes():
        if entry.method != "HEAD":
            yield getattr(entry.handler, "route", None)


def may(agent: Agent | None, role: Role) -> bool:
    """True when ``agent`` has ``role`` or a higher one."""
    return agent is not None and _RANK[agent.role] >= _RANK[role]


def _guarded(route: Route) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not unchecked:
            await _check(request, route)
        return await route.handler(request)

    unchecked = route.right == "visitor" and not route.limited

    guarded.route = route  # type: ignore[attr-defined]
    return guarded


async def _check(request: web.Request, route: Route) -> None:
    if route.right in _OPEN:
        if route.limited:
            access = request.config_dict[ACCESS]
            access.anonymous.take(access.addresses.address(request))
        # visitors come from the sites that embed the chat; its handlers know which
        if route.right == "public" and request.method not in _SAFE:
            _refuse_foreign_origin(request)
        return
    if route.right in _ROLES:
        await _need_person(request, _ROLES[route.right])
    elif route.right == "local":
        if not request.config_dict[ACCESS].addresses.is_local(request):
            await need_token(request, "admin")
    else:
        await need_token(request, route.right.removeprefix("token:"))


async def need_token(request: web.Request, scope: str) -> None:
    """Refuse who has neither an API token with ``scope`` nor an admin's session.

    Raises:
        NotSignedIn, Forbidden: as it says.
    """
    secret = bearer(request)
    if secret is None:
        await _need_person(request, Role.ADMIN)
        return
    people = request.config_dict[SERVICES].store.people
    token = await people.token(secret) if secret else None
    if token is None:
        access = request.config_dict[ACCESS]
        access.bad_tokens.take(access.addresses.address(request))
        raise NotSignedIn("The API token is unknown or revoked.")
    if not token.may(scope):
        raise Forbidden(f"The API token lacks the scope '{scope}'.")
    request[API_TOKEN] = token


async def _need_person(request: web.Request, role: Role) -> None:
    agent = await identify(request)
    if agent is None:
        access = request.config_dict[ACCESS]
        access.anonymous.take(access.addresses.address(request))
        raise NotSignedIn
    if not may(agent, role):
        raise Forbidden(f"This needs the role '{role}'.")
    if request.method not in _SAFE:
        await _need_csrf(request)
    request[AGENT] = agent


async def _need_csrf(request: web.Request) -> None:
    _refuse_foreign_origin(request)
    given = request.headers.get("X-CSRF-Token")
    if given is None and request.content_type in {
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }:
        field = (await form(request)).get("csrf_token")
        given = field if isinstance(field, str) else None
    if not csrf_matches(request, given or ""):
        raise Forbidden("The form is out of date.", remedy="Reload the page and send it once more.")


def _refuse_foreign_origin(request: web.Request) -> None:
    """Refuse what a page of another site made the browser send; programs send no such headers.

    Source: Fetch Metadata (W3C), the Origin header (RFC 6454).
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site in {"same-origin", "none"}:
        return
    origin = request.headers.get("Origin")
    if site is None and origin is None:
        return
    known = {request.host, urlsplit(request.config_dict[SERVICES].settings.http.public_url).netloc}
    try:
        netloc = urlsplit(origin or "").netloc
    except ValueError:
        netloc = ""
    if site is None and netloc and netloc in known:
        return
    raise Forbidden("Another site sent this request.")
