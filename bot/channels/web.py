"""The web chat: the channel behind the widget, and the table of the routes the widget calls.

Exactly-once in both directions: the widget names its messages, and what goes out is a row that the
widget merges by id, however often it is read. The handlers are in ``web_chat``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.access import Route
from bot.channels import web_chat, web_interests
from bot.channels.web_chat import VisitorAck, VisitorMessage, VisitorRating, VisitorTyping
from bot.domain import OutboxRow
from bot.errors import Forbidden, NotFound
from bot.http import Handler
from bot.ports import SendFailed
from bot.services import SERVICES, Services
from bot.ui import render


class WebChannel:
    """Delivers by publishing: the row is already stored, the widget reads it."""

    name = web_chat.NAME
    exactly_once = True

    def __init__(self, publish: Callable[[str, str, dict[str, Any]], object]) -> None:
        self._publish = publish
        self._sent = 0

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to close; open streams end with the server."""

    async def send(self, row: OutboxRow) -> str | None:
        """Announce the message to the visitor's open widgets; the row itself is the delivery."""
        self._sent += 1
        self._publish(f"visitor:{row.recipient}", "message", {"message_id": row.message_id})
        return None

    async def typing(self, recipient: str) -> None:
        """Show the visitor that somebody writes."""
        self._publish(f"visitor:{recipient}", "typing", {})

    async def fetch(self, reference: str, max_bytes: int) -> bytes:
        """The widget sends no files.

        Raises:
            SendFailed: always.
        """
        del reference, max_bytes
        raise SendFailed("no-such-file", final=True)

    def health(self) -> dict[str, object]:
        """Always live: it has no other side."""
        return {"state": "live", "last_error": "", "sent": self._sent}


def routes() -> list[Route]:
    """Everything the widget calls; each also answers the browser's preflight."""
    table: tuple[tuple[str, str, Handler, Any, str, int], ...] = (
        ("GET", "config", web_chat.get_config, None, "Texts and settings of the widget.", 200),
        ("POST", "visitors", web_chat.create_visitor, None, "A new visitor's token.", 201),
        (
            "POST",
            "messages",
            web_chat.post_message,
            VisitorMessage,
            "A message, stored first.",
            201,
        ),
        ("GET", "history", web_chat.get_history, None, "The visitor's conversation.", 200),
        ("GET", "events", web_chat.get_events, None, "Live messages and typing, as events.", 200),
        ("POST", "read", web_chat.post_read, VisitorAck, "Messages that were seen.", 204),
        ("POST", "typing", web_chat.post_typing, VisitorTyping, "Typing; may offer answers.", 200),
        ("GET", "interests", web_interests.get_interests, None, "What the visitor looked at.", 200),
        (
            "POST",
            "interests/erase",
            web_interests.erase_interests,
            None,
            "Forget all of it.",
            204,
        ),
        ("POST", "rating", web_chat.post_rating, VisitorRating, "How the help was, 1 to 5.", 204),
    )
    found = [
        Route(
            method,
            f"/chat/{name}",
            cross_origin(handler),
            "visitor",
            summary,
            body,
            status=status,
            again=200 if body is VisitorMessage else 0,
        )
        for method, name, handler, body, summary, status in table
    ]
    found += [
        Route("OPTIONS", f"/chat/{name}", cross_origin(_preflight), "visitor")
        for _, name, *_ in table
    ]
    return [*found, Route("GET", "/chat", get_page, "public")]


async def get_page(request: web.Request) -> web.Response:
    """A page of its own for the chat: a link to share, and the preview in the panel."""
    company = request.config_dict[SERVICES].settings.company
    return render(request, "chat.html", company=company)


def cross_origin(
    handler: Handler,
) -> Handler:
    """``handler`` for the sites of ``widget.allowed_origins`` and for this server's own pages.

    Source: Fetch Standard, section 3.3 (CORS protocol).
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.config_dict[SERVICES]
        if not services.settings.widget.enabled:
            raise NotFound("The web chat is switched off.", remedy="Set widget.enabled = true.")
        origin = request.headers.get("Origin", "")
        if not origin or origin == _own_origin(request, services):
            return await handler(request)
        if origin not in services.settings.widget.allowed_origins:
            raise Forbidden(
                "This site may not embed the chat.", remedy="Add it to widget.allowed_origins."
            )
        return await handler(request)

    return handle


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """``on_response_prepare`` signal: errors too must be readable for the embedding site."""
    if not request.path.startswith("/chat/"):
        return
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin", "")
    services = request.config_dict[SERVICES]
    if origin in services.settings.widget.allowed_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Max-Age"] = "86400"


def _own_origin(request: web.Request, services: Services) -> str:
    public = services.settings.http.public_url.rstrip("/")
    origin = request.headers.get("Origin", "")
    if public and origin == public:
        return origin
    return origin if origin.partition("://")[2] == request.headers.get("Host") else ""


async def _preflight(_: web.Request) -> web.Response:
    return web.Response(status=204)
