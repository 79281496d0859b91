"""Who looks at a page and how they want to see it: language, theme, time zone.

Choices made in the page live in cookies (they also work before sign-in); an agent's saved
preferences stand where there is no cookie, the browser's wishes where there is neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from aiohttp import web

from bot.domain import Agent

LANGUAGES = ("ru", "en")
THEMES = ("auto", "light", "dark")
_ZONE = re.compile(r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$")

Who = Callable[[web.Request], tuple[Agent | None, str]]


class Viewer(msgspec.Struct, frozen=True):
    """The eyes a page is rendered for."""

    agent: Agent | None
    csrf_token: str
    language: str
    theme: str
    timezone: tzinfo
    path: str


def viewer_of(request: web.Request, who: Who, default_language: str) -> Viewer:
    """The viewer of this request; ``who`` tells the signed-in agent and the CSRF token."""
    agent, token = who(request)
    return Viewer(
        agent=agent,
        csrf_token=token,
        language=_language(request, agent, default_language),
        theme=_theme(request, agent),
        timezone=_timezone(request.cookies.get("tz", "")),
        path=request.path,
    )


def _language(request: web.Request, agent: Agent | None, default: str) -> str:
    wishes = [request.cookies.get("lang", ""), agent.language if agent else ""]
    wishes += [
        part.split(";")[0].strip()[:2].lower()
        for part in request.headers.get("Accept-Language", "").split(",")
    ]
    return next((wish for wish in wishes if wish in LANGUAGES), default)


def _theme(request: web.Request, agent: Agent | None) -> str:
    saved = str(agent.preferences.get("theme", "")) if agent else ""
    return next(
        (wish for wish in (request.cookies.get("theme", ""), saved) if wish in THEMES), "auto"
    )


def _timezone(name: str) -> tzinfo:
    if not _ZONE.match(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
