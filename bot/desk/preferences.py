"""How an agent wants to work, and the snippets that all agents share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from bot.access import AGENT
from bot.domain import Agent
from bot.http import decode, json_response
from bot.services import SERVICES


class Preferences(msgspec.Struct, frozen=True):
    """Kept with the agent. Notifications and sound are off until somebody wants them."""

    theme: Literal["auto", "light", "dark"] = "auto"
    shortcuts: bool = True
    notifications: bool = False
    sound: bool = False


class PreferencesBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; the rest stays."""

    language: Literal["ru", "en"] | None = None
    theme: Literal["auto", "light", "dark"] | None = None
    shortcuts: bool | None = None
    notifications: bool | None = None
    sound: bool | None = None


class CannedBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A snippet to keep; one of the same name is replaced."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


def chosen_preferences(agent: Agent) -> Preferences:
    """The agent's choices; values that are no longer known count as not chosen."""
    known = {}
    for field in msgspec.structs.fields(Preferences):
        try:
            known[field.name] = msgspec.convert(agent.preferences[field.name], field.type)
        except (KeyError, msgspec.ValidationError):
            continue
    return Preferences(**known)


async def save(request: web.Request) -> web.Response:
    """Keep choices of the preferences dialog."""
    body = await decode(request, PreferencesBody)
    changes = {
        name: value
        for name, value in msgspec.to_builtins(body).items()
        if value is not None and name != "language"
    }
    await request.config_dict[SERVICES].store.people.set_preferences(
        request[AGENT].id, changes, language=body.language
    )
    return web.Response(status=204)


async def canned(request: web.Request) -> web.Response:
    """All snippets by name."""
    items = await request.config_dict[SERVICES].store.knowledge.canned()
    return json_response(
        {"items": [{"id": item.id, "name": item.name, "text": item.text} for item in items]}
    )


async def save_canned(request: web.Request) -> web.Response:
    """Keep a snippet."""
    body = await decode(request, CannedBody)
    item = await request.config_dict[SERVICES].store.knowledge.save_canned(body.name, body.text)
    return json_response({"id": item.id, "name": item.name, "text": item.text}, 201)
