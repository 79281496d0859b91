"""Channels: state and last error of each, how to connect it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from admin.operations import base_url
from admin.pages.frame import page, services_of
from bot import ui
from bot.access import Route

_TONES = {"live": "good", "failing": "bad", "connecting": "warn", "off": "neutral"}
_FACTS = ("mode", "name", "received", "sent", "pending")


@dataclass(frozen=True, slots=True)
class ChannelCard:
    """One channel as its card shows it."""

    name: str
    state: str
    last_error: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def tone(self) -> str:
        """Tone of the badge."""
        return _TONES[self.state]


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
    services = services_of(request)
    address = services.settings.http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    return page(
        request,
        "panel_channels.html",
        "channels",
        web=channel_card(request, "web"),
        telegram=channel_card(request, "telegram"),
        widget_enabled=services.settings.widget.enabled,
        origins=services.settings.widget.allowed_origins,
        base_url=address if services.settings.http.public_url else address or base_url(services),
        snippet=f'<script src="{address}/widget.js" async></script>',
    )


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (Route("GET", "/admin/channels", channels_page, "admin"),)
