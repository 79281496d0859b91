"""Events in, over HTTP: from programs with a token, from pages with the site's public key."""

from __future__ import annotations

import hmac

import msgspec
from aiohttp import web

from bot.access import ACCESS, Route, need_token
from bot.api.event_body import NewEvent, envelope, events_of
from bot.api.proofs import proven
from bot.errors import NotSignedIn, TooLarge
from bot.http import read_body
from bot.services import SERVICES, Services

PATH = "/api/v1/events"
SCOPE = "events:write"


class EventQuery(msgspec.Struct, frozen=True):
    """``key``: the site's public key, for pages; programs send a token instead."""

    key: str = ""


async def take(request: web.Request) -> web.Response:
    """Store the events, then answer 204; a repeated id is taken and ignored.

    A page's beacon is ``text/plain``, so that the browser asks no leave before it; the body is what
    it is, whatever its type is called.
    """
    services = request.config_dict[SERVICES]
    settings = services.settings
    if "Authorization" in request.headers:
        await need_token(request, SCOPE)
        body = await _body(request, settings.http.max_body_bytes)
    else:
        body = await _from_page(request, services)
    await services.intake.put(events_of(body, services.clock(), settings.events.max_event_bytes))
    return web.Response(status=204)


async def _from_page(request: web.Request, services: Services) -> bytes:
    """The events of a page that knows the site's key, from the query or the body."""
    access = request.config_dict[ACCESS]
    address = access.addresses.address(request)
    access.pages.take(address)
    key = request.query.get("key")
    body = await _body(request, services.settings.http.max_body_bytes)
    if key is None and b'"key"' in body:
        packed = envelope(body)
        key, body = packed.key, bytes(packed.events)
    if key is None or not hmac.compare_digest(
        key.encode("utf-8", "replace"), services.intake.site_key.encode()
    ):
        access.bad_tokens.take(address)
        raise NotSignedIn(
            "The site's key is missing or wrong.",
            remedy=f"Copy the script from the Channels page, or send a token with '{SCOPE}'.",
        )
    return proven(body, services.settings.events.identity_secret)


async def _body(request: web.Request, limit: int) -> bytes:
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    if request.content.is_eof():  # here already: no clock is needed
        return await request.read()
    return await read_body(request, limit)


async def preflight(_: web.Request) -> web.Response:
    """Leave for a page of another site to send JSON."""
    return web.Response(status=204)


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """``on_response_prepare`` signal: any site may read whether its events were stored.

    The key decides who may write; cookies play no part. Source: Fetch Standard, section 3.3.
    """
    if request.path != PATH or "Origin" not in request.headers:
        return
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = "Retry-After"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
        headers["Access-Control-Allow-Methods"] = "POST"
        headers["Access-Control-Max-Age"] = "86400"


ROUTES = (
    Route(
        "POST",
        PATH,
        take,
        "visitor",
        "Events in: an object, an array or JSON lines; 204 once stored, idempotent by id.",
        NewEvent,
        query=EventQuery,
        status=204,
        limited=False,
    ),
    Route("OPTIONS", PATH, preflight, "visitor"),
)
