"""News for the desk as server-sent events: replayed after a gap, "reset" where the gap is too wide.

Source: HTML Living Standard, section 9.2 (Last-Event-ID, reconnection).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from bot.bus import RESET, Subscription
from bot.domain import Event
from bot.errors import NeurobotError
from bot.services import SERVICES, Services
from bot.streams import STREAMS

_HEARTBEAT_S = 15
_RETRY_MS = 1000
# Then the page asks anew, and with it who is signed in.
_LONGEST_S = 600.0
_SHOWN_TEXT = 140


async def stream(request: web.Request) -> web.StreamResponse:
    """Events of the topic "desk" after the id the page has seen."""
    services = request.config_dict[SERVICES]
    subscription = services.bus.subscribe({"desk"}, last_event_id(request))
    with request.config_dict[STREAMS].follow(request, subscription):
        async with sse_response(request, ping_interval=_HEARTBEAT_S) as response:
            try:
                async with asyncio.timeout(_LONGEST_S):
                    await _send_all(services, subscription, response)
            except (TimeoutError, ConnectionResetError):
                pass
    return response


def last_event_id(request: web.Request) -> int | None:
    """Where to go on: the browser's header, else the id that the page was drawn with."""
    text = request.headers.get("Last-Event-ID") or request.query.get("last", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _send_all(services: Services, news: Subscription, response: EventSourceResponse) -> None:
    async for event in news:
        data = await _told(services, event)
        body = msgspec.json.encode({"name": event.name, "data": data}).decode()
        await response.send(body, id=str(event.id), retry=_RETRY_MS)
        if event.name == RESET:
            return


async def _told(services: Services, event: Event) -> Mapping[str, Any]:
    """The event's data; a new message with its author and first words, for the notification."""
    if event.name != "message.new" or "message_id" not in event.data:
        return event.data
    try:
        message = await services.store.conversations.message(event.data["message_id"])
        conversation = await services.store.conversations.get(message.conversation_id)
    except NeurobotError:
        return event.data
    return {
        **event.data,
        "author": str(message.author),
        "text": message.text[:_SHOWN_TEXT],
        "customer_name": conversation.customer_name,
        "assigned": conversation.assigned_agent_id,
    }
