"""API tokens: what programs may do, shown once, revoked at once."""

from __future__ import annotations

from aiohttp import web

from admin.pages.frame import actor, audit, fields, go, page, services_of
from bot import ui
from bot.access import SCOPES, Route
from bot.http import row_id

_HOME = "/admin/people/tokens"
_IDLE_S = 90 * 86_400.0


async def tokens_page(request: web.Request) -> web.StreamResponse:
    """Every token."""
    return await _page(request)


async def create(request: web.Request) -> web.StreamResponse:
    """Make an API token and show its secret once."""
    given = await fields(request)
    name = given.get("token_name", "")
    scopes = [scope for scope in SCOPES if given.get(f"scope.{scope}") == "1"]
    if not name or len(name) > 100 or not scopes:
        return await _page(request, problem=ui.translate(request, "panel.people.error.scopes"))
    _, secret = await services_of(request).store.people.create_token(name, scopes)
    await audit(request, "token.created", name, {"scopes": scopes, "by": actor(request)})
    return await _page(request, secret=secret, secret_name=name)


async def revoke(request: web.Request) -> web.StreamResponse:
    """End a token's right."""
    token_id = row_id(request)
    await services_of(request).store.people.revoke_token(token_id)
    await audit(request, "token.revoked", str(token_id))
    return go(_HOME, "revoked")


async def _page(request: web.Request, *, problem: str = "", **once: str) -> web.Response:
    services = services_of(request)
    found = await services.store.people.tokens()
    idle_since = services.clock() - _IDLE_S
    return page(
        request,
        "panel_tokens.html",
        "people",
        status=422 if problem else 200,
        problem=problem,
        tokens=[one for one in found if one.revoked_at is None],
        revoked=[one for one in found if one.revoked_at is not None],
        idle={one.id for one in found if (one.last_used_at or one.created_at) < idle_since},
        scopes=SCOPES,
        **{"secret": "", "secret_name": "", **once},
    )


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, tokens_page, "admin"),
        Route("POST", _HOME, create, "admin"),
        Route("POST", rf"{_HOME}/{{id:\d+}}/revoke", revoke, "admin"),
    )
