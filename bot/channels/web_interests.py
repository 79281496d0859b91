"""What a visitor may see and erase of their own profile of interests."""

from __future__ import annotations

from aiohttp import web

from bot.channels.web_chat import visitor_of
from bot.http import json_response
from bot.services import SERVICES


async def get_interests(request: web.Request) -> web.Response:
    """Tags of the visitor's profile, strongest first, with the page that gave most of each."""
    recommending = request.config_dict[SERVICES].recommending
    found = recommending.interests(await recommending.subject(visitor_of(request)))
    return json_response(
        {"interests": [{"tag": one.tag, "page": one.page, "at": one.last_at} for one in found]}
    )


async def erase_interests(request: web.Request) -> web.Response:
    """Forget all that is known of the visitor's interests."""
    recommending = request.config_dict[SERVICES].recommending
    await recommending.forget(await recommending.subjects(visitor_of(request)))
    return web.Response(status=204)
