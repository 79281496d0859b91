"""Signing in and out: password, one-time link.

A link is opened twice: GET shows a button, POST redeems. Mail programs and messengers that fetch a
link for its preview do not burn it.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from bot import ui
from bot.access.identity import (
    ACCESS,
    SESSION_TOKEN,
    begin_session,
    drop_cookie,
    identify,
    refuse_plain,
)
from bot.access.routes import Route
from bot.domain import Agent
from bot.errors import NotFound, NotSignedIn
from bot.http import form
from bot.services import SERVICES

HOME = "/desk"
_MAX_LOGIN = 128


def local_path(text: str) -> str:
    """``text`` if it is a path on this server, else the desk: no way out to another site."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return HOME
    foreign = parts.scheme or parts.netloc or not text.startswith("/") or text.startswith("//")
    odd = "\\" in text or any(ord(letter) < 33 for letter in text)
    return HOME if foreign or odd or text.startswith("/sign-") else text


async def home(request: web.Request) -> web.StreamResponse:
    """Lead to the desk, or to the sign-in."""
    agent = await identify(request)
    return _go(HOME if agent else "/sign-in")


async def sign_in_page(request: web.Request) -> web.StreamResponse:
    """The form, or the way on for those already signed in."""
    target = local_path(request.query.get("next", HOME))
    if await identify(request) is not None:
        return _go(target)
    return ui.render(request, "sign_in.html", next=target, login="", error="")


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Check login and password; the same answer and time for an unknown login."""
    refuse_plain(request)
    fields = await form(request)
    login = str(fields.get("login", ""))[:_MAX_LOGIN].strip()
    password = str(fields.get("password", ""))[:1024]
    target = local_path(str(fields.get("next", HOME)))
    agent = await _verified(request, login, password)
    if agent is None:
        return ui.render(
            request,
            "sign_in.html",
            status=HTTPStatus.FORBIDDEN,
            next=target,
            login=login,
            error=ui.translate(request, "access.wrong"),
        )
    response = _go(target)
    await begin_session(request, response, agent)
    await _audit(request, agent, "sign-in")
    return response


async def _verified(request: web.Request, login: str, password: str) -> Agent | None:
    access = request.config_dict[ACCESS]
    address = access.addresses.address(request)
    access.attempts.check(login, address)
    # counted before the slow check, so that parallel attempts cannot pass it together
    access.attempts.failed(login, address)
    await asyncio.sleep(access.attempts.delay_s(login))
    found = await request.config_dict[SERVICES].store.people.by_login(login)
    agent, encoded = found if found is not None else (None, None)
    if not await access.passwords.verify(encoded, password) or agent is None:
        return None
    if agent.disabled_at is not None:
        return None
    access.attempts.succeeded(login, address)
    return agent


async def link_page(request: web.Request) -> web.StreamResponse:
    """A button that redeems the link; the link itself is not touched."""
    return ui.render(request, "sign_in_link.html", error="")


async def redeem_link(request: web.Request) -> web.StreamResponse:
    """Redeem the link and lead to ``?next=``, or to the account, where a password can be set."""
    refuse_plain(request)  # before the link is used up
    access = request.config_dict[ACCESS]
    address = access.addresses.address(request)
    access.bad_tokens.check(address)
    token = request.match_info["token"]
    try:
        # a token is ASCII; anything else is looked up as the text "-", which is nobody's
        known = token if token.isascii() else "-"
        agent = await request.config_dict[SERVICES].store.people.redeem(known)
    except (NotFound, NotSignedIn):
        access.bad_tokens.take(address)
        return ui.render(
            request,
            "sign_in_link.html",
            status=HTTPStatus.NOT_FOUND,
            error=ui.translate(request, "access.link.used"),
        )
    wanted = request.query.get("next")
    response = _go(local_path(wanted) if wanted else "/account?welcome=1")
    await begin_session(request, response, agent)
    await _audit(request, agent, "sign-in-link")
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End this session, and let the browser forget unsent drafts; pages it never keeps."""
    await request.config_dict[SERVICES].store.people.revoke_session(request[SESSION_TOKEN])
    response = _go("/sign-in")
    response.headers["Clear-Site-Data"] = '"storage"'
    drop_cookie(request, response)
    return response


async def _audit(request: web.Request, agent: Agent, action: str) -> None:
    address = request.config_dict[ACCESS].addresses.address(request)
    people = request.config_dict[SERVICES].store.people
    await people.audit(agent.login, action, agent.login, {"address": address})


def _go(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


ROUTES = (
    Route("GET", "/", home, "public"),
    Route("GET", "/sign-in", sign_in_page, "public"),
    Route("POST", "/sign-in", sign_in, "public"),
    Route("GET", "/sign-in/link/{token}", link_page, "public"),
    Route("POST", "/sign-in/link/{token}", redeem_link, "public"),
    Route("POST", "/sign-out", sign_out, "agent"),
)
