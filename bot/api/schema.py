"""The API's own description, made once from the routes that are served."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from bot import openapi
from bot.access import Route, declared_routes
from bot.http import json_response
from bot.services import SERVICES

# Pages for people are not part of the API.
_OURS = ("/api/", "/chat/", "/health", "/ready")


def describe(routes: Iterable[Route | None], server: str = "") -> dict[str, Any]:
    """The OpenAPI document of ``routes``."""
    known = [route for route in routes if route is not None and route.path.startswith(_OURS)]
    return openapi.document(known, version=_version(), server=server)


async def show(request: web.Request) -> web.Response:
    """The document of this server."""
    public_url = request.config_dict[SERVICES].settings.http.public_url
    return json_response(describe(declared_routes(request.app), public_url))


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415 - reads mail and archives

    try:
        return metadata.version("neurobot")
    except metadata.PackageNotFoundError:
        return "0"


ROUTES = (Route("GET", "/openapi.json", show, "public"),)
