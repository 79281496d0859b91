"""Who may do what: routes with rights, sessions, API tokens, CSRF, sign-in.

``setup(app, services)`` prepares an application; then routes are added through ``add_routes``.
"""

from __future__ import annotations

from bot.access.identity import (
    ACCESS,
    AGENT,
    API_TOKEN,
    SESSION,
    SESSION_TOKEN,
    Access,
    actor,
    begin_session,
    identify,
    who,
)
from bot.access.passwords import Passwords, checked_password
from bot.access.routes import SCOPES, Route, add_routes, declared_routes, may, need_token
from bot.access.setup import setup

__all__ = [
    "ACCESS",
    "AGENT",
    "API_TOKEN",
    "SCOPES",
    "SESSION",
    "SESSION_TOKEN",
    "Access",
    "Passwords",
    "Route",
    "actor",
    "add_routes",
    "begin_session",
    "checked_password",
    "declared_routes",
    "identify",
    "may",
    "need_token",
    "setup",
    "who",
]
