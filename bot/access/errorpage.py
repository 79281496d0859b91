"""The page a person sees when something went wrong: what happened, what to do."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

from aiohttp import web

from bot import ui
from bot.access.identity import identify
from bot.errors import NeurobotError, NotSignedIn
from bot.http import REQUEST_ID

_KNOWN = frozenset(
    {
        "bad-request",
        "conflict",
        "forbidden",
        "internal",
        "method-not-allowed",
        "not-found",
        "not-signed-in",
        "overloaded",
        "request-timeout",
        "storage-unavailable",
        "too-large",
        "too-many-requests",
    }
)


async def error_page(request: web.Request, error: NeurobotError) -> web.StreamResponse:
    """The page for ``error``; who is not signed in and opens a page is led to the sign-in."""
    if isinstance(error, NotSignedIn) and request.method in {"GET", "HEAD"}:
        target = f"/sign-in?next={quote(request.path_qs, safe='/')}"
        return web.Response(status=303, headers={"Location": target})
    with suppress(NeurobotError):  # the page has the places of who is signed in, if that is known
        await identify(request)
    code = error.code if error.code in _KNOWN else "other"
    english = ui.translate(request, "error.language") == "en"
    page = ui.fragment(
        request,
        "error.html",
        status=error.status,
        title=ui.translate(request, f"error.{code}.title"),
        # the detail is written in English; other readers get the general text of its code
        detail=error.detail if english else ui.translate(request, f"error.{code}.text"),
        remedy=error.remedy if english else None,
        request_id=REQUEST_ID.get(),
    )
    return web.Response(text=page, status=error.status, content_type="text/html")
