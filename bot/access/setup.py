"""Puts sign-in and its pages into an application, before any other routes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from bot.access.account import ROUTES as ACCOUNT_ROUTES
from bot.access.errorpage import error_page
from bot.access.identity import ACCESS, Access
from bot.access.passwords import Passwords
from bot.access.routes import add_routes
from bot.access.signin import ROUTES as SIGN_IN_ROUTES
from bot.http import ERROR_PAGE
from bot.services import Services


def setup(app: web.Application, services: Services, passwords: Passwords | None = None) -> None:
    """Prepare ``app``: guards, sign-in routes, pages for errors.

    Raises:
        SettingsInvalid: ``http.trusted_proxies`` holds something that is no address.
    """
    access = Access(services, passwords)
    app[ACCESS] = access
    app[ERROR_PAGE] = error_page

    async def threads(app: web.Application) -> AsyncIterator[None]:
        del app
        yield
        access.close()

    app.cleanup_ctx.append(threads)
    add_routes(app, (*SIGN_IN_ROUTES, *ACCOUNT_ROUTES))
