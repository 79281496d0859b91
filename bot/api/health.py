"""Is the server alive, and can it do its work."""

from __future__ import annotations

import msgspec
from aiohttp import web

from bot.access import Route
from bot.errors import NeurobotError
from bot.http import json_response
from bot.services import SERVICES, Services


class Health(msgspec.Struct, frozen=True):
    """State without secrets. ``problem`` is empty while all is well."""

    status: str
    model_version: str | None
    device: str
    device_reason: str
    channels: dict[str, str]
    uptime_s: float
    events_per_second: float
    events_waiting: int
    problem: str


class Ready(msgspec.Struct, frozen=True):
    """``ready``: messages are taken. Otherwise ``reason`` says why not."""

    ready: bool
    reason: str


async def health(request: web.Request) -> web.Response:
    """Answer while the process lives."""
    services = request.config_dict[SERVICES]
    bundle = services.serving.bundle
    device = services.serving.device
    channels = _channels(services)
    intake = services.intake.health()
    problem = str(services.serving.problem or "")
    failing = [name for name, state in channels.items() if state == "failing"]
    body = Health(
        status="degraded" if problem or failing else "ok",
        model_version=bundle.version if bundle else None,
        device=device.name,
        device_reason=device.reason,
        channels=channels,
        uptime_s=max(0.0, services.clock() - services.started_at),
        events_per_second=intake["per_second"],
        events_waiting=intake["waiting"],
        problem=problem,
    )
    return json_response(body)


async def ready(request: web.Request) -> web.Response:
    """503 while the database cannot be read."""
    try:
        await request.config_dict[SERVICES].store.knowledge.revision()
    except NeurobotError as error:
        return json_response(Ready(ready=False, reason=error.detail), 503)
    return json_response(Ready(ready=True, reason=""))


def _channels(services: Services) -> dict[str, str]:
    return {
        name: str(channel.health().get("state", "")) for name, channel in services.channels.items()
    }


ROUTES = (
    Route("GET", "/health", health, "public", "Alive, and with what.", reply=Health),
    Route("GET", "/ready", ready, "public", "Whether messages are taken.", reply=Ready),
)
