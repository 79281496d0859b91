"""A person's own account: password, and where they are signed in."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot import ui
from bot.access.identity import ACCESS, AGENT, SESSION, begin_session
from bot.access.passwords import checked_password
from bot.access.routes import Route
from bot.errors import BadRequest
from bot.http import form, row_id
from bot.services import SERVICES


async def account_page(request: web.Request) -> web.StreamResponse:
    """The account page."""
    return await _page(request)


async def change_password(request: web.Request) -> web.StreamResponse:
    """Set a new password, end all other sessions, go on in a new one.

    The old password is asked for where there is one, so that an open desk left alone is not enough.
    """
    fields = await form(request)
    agent = request[AGENT]
    services = request.config_dict[SERVICES]
    access = request.config_dict[ACCESS]
    found = await services.store.people.by_login(agent.login)
    encoded = found[1] if found is not None else None
    if encoded is not None:
        address = access.addresses.address(request)
        access.attempts.check(agent.login, address)
        if not await access.passwords.verify(encoded, str(fields.get("current", ""))):
            access.attempts.failed(agent.login, address)
            return await _page(request, error=ui.translate(request, "access.password.wrong"))
    try:
        own = (agent.login, agent.name, services.settings.company)
        password = checked_password(str(fields.get("password", "")), own)
    except BadRequest:
        return await _page(request, error=ui.translate(request, "access.password.weak"))
    await services.store.people.set_password(agent.id, await access.passwords.hash(password))
    await services.store.people.audit(agent.login, "password", agent.login)
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/account?saved=1"})
    await begin_session(request, response, agent)
    return response


async def end_session(request: web.Request) -> web.StreamResponse:
    """Sign one of the person's own sessions out."""
    people = request.config_dict[SERVICES].store.people
    await people.revoke_sessions(request[AGENT].id, session_id=row_id(request))
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/account"})


async def _page(request: web.Request, error: str = "") -> web.StreamResponse:
    people = request.config_dict[SERVICES].store.people
    agent = request[AGENT]
    found = await people.by_login(agent.login)
    return ui.render(
        request,
        "account.html",
        status=HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK,
        sessions=await people.sessions(agent.id),
        current=request[SESSION],
        has_password=found is not None and found[1] is not None,
        welcome="welcome" in request.query,
        saved="saved" in request.query,
        error=error,
    )


ROUTES = (
    Route("GET", "/account", account_page, "agent"),
    Route("POST", "/account/password", change_password, "agent"),
    Route("POST", "/account/sessions/{id}/end", end_session, "agent"),
)
