"""Channels: state and last error of each, how to connect it, and trying it out."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import audit, fields, page, services_of
from bot import ui
from bot.access import Route
from bot.http import CONTENT_POLICY, query
from bot.store.queues import Queues

_TONES = {"live": "good", "failing": "bad", "connecting": "warn", "off": "neutral"}
_FACTS = ("mode", "name", "received", "sent", "pending")


class ChannelCard(msgspec.Struct, frozen=True):
    """One channel as its card shows it."""

    name: str
    state: str
    last_error: str = ""
    facts: list[tuple[str, str]] = msgspec.field(default_factory=list)

    @property
    def tone(self) -> str:
        """Tone of the badge."""
        return _TONES[self.state]


class _Look(msgspec.Struct, frozen=True):
    """Choices of the snippet."""

    lang: Literal["", "ru", "en"] = ""
    open: Literal["", "1"] = ""


def channel_card(request: web.Request, name: str) -> ChannelCard:
    """State of a channel; ``off`` where the settings have none."""
    channel = services_of(request).channels.get(name)
    health: dict[str, Any] = dict(channel.health()) if channel is not None else {"state": "off"}
    state = str(health.get("state", "live"))
    facts = [
        (ui.translate(request, f"panel.channels.fact.{key}"), str(health[key]))
        for key in _FACTS
        if key in health
    ]
    return ChannelCard(
        name, state if state in _TONES else "live", str(health.get("last_error") or ""), facts
    )


async def channels_page(request: web.Request) -> web.StreamResponse:
    """All channels."""
    return await _page(request)


async def check_telegram(request: web.Request) -> web.StreamResponse:
    """Ask Telegram about the token of the form, or about the one in the settings."""
    # half a second, where it is used
    from bot.channels.telegram_check import check_token  # noqa: PLC0415

    settings = services_of(request).settings.telegram
    token = (await fields(request)).get("token", "") or settings.token
    check = await check_token(token, settings.api_url)
    await audit(request, "channel.tested", "telegram", {"result": check.problem or check.username})
    return await _page(request, check=check, given=token != settings.token)


async def preview(request: web.Request) -> web.StreamResponse:
    """The widget in a page of its own, which the panel shows in a frame."""
    look = query(request, _Look)
    response = ui.render(request, "panel_preview.html", look=look)
    # Our own pages alone may frame it; everything else stays as strict as everywhere.
    response.headers["Content-Security-Policy"] = CONTENT_POLICY.replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


async def _page(request: web.Request, **checked: Any) -> web.Response:
    services = services_of(request)
    look = query(request, _Look) if request.method == "GET" else _Look()
    http = services.settings.http
    address = http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    chosen = {name: value for name, value in msgspec.structs.asdict(look).items() if value}
    waiting = {q.name: q for q in await Queues(services.store.db, services.clock).lengths()}
    return page(
        request,
        "panel_channels.html",
        "channels",
        web=channel_card(request, "web"),
        telegram=channel_card(request, "telegram"),
        telegram_mode=services.settings.telegram.mode,
        has_token=bool(services.settings.telegram.token),
        widget_enabled=services.settings.widget.enabled,
        origins=services.settings.widget.allowed_origins,
        look=look,
        base_url=address,
        snippet=_snippet(address, look),
        event_snippet=_event_snippet(address, services.intake.site_key),
        preview_url=f"/admin/channels/preview?{urlencode(chosen)}",
        waiting=waiting["delivery"],
        **{"check": None, "given": False, **checked},
    )


def _snippet(address: str, look: _Look) -> str:
    extra = f' data-lang="{look.lang}"' if look.lang else ""
    extra += " data-open" if look.open else ""
    return f'<script src="{address}/widget.js"{extra} async></script>'


def _event_snippet(address: str, key: str) -> str:
    return f'<script src="{address}/events.js" data-key="{key}" async></script>'


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/channels", channels_page, "admin"),
        Route("GET", "/admin/channels/preview", preview, "admin"),
        Route("POST", "/admin/channels/telegram/check", check_telegram, "admin"),
    )
