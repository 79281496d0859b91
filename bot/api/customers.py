"""Erasure of a customer for other programs."""

from __future__ import annotations

import msgspec
from aiohttp import web

from bot import erasure
from bot.access import AGENT, API_TOKEN, Route
from bot.erasure import ErasureReport
from bot.http import json_response, query
from bot.services import SERVICES


class ErasureQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``dry_run``: 1 says what would be erased and changes nothing."""

    dry_run: bool = False


async def erase(request: web.Request) -> web.Response:
    """Take a customer out of everything."""
    services = request.config_dict[SERVICES]
    reference = request.match_info["id"]
    if query(request, ErasureQuery).dry_run:
        return json_response(await erasure.preview(services, reference))
    token = request.get(API_TOKEN)
    actor = f"token {token.name}" if token is not None else request[AGENT].login
    return json_response(await erasure.erase(services, reference, actor=actor))


ROUTES = (
    Route(
        "DELETE",
        "/api/v1/customers/{id}",
        erase,
        "token:admin",
        "Erase a customer for good: rows, index, files; the answer names what is left.",
        query=ErasureQuery,
        reply=ErasureReport,
    ),
)
