"""People: agents with roles and one-time links."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web

from admin.operations import LINK_TTL_S, role_of
from admin.pages.frame import audit, fields, go, page, services_of
from bot import ui
from bot.access import AGENT, Route
from bot.domain import Agent, Role
from bot.errors import BadRequest, Conflict, Forbidden
from bot.http import row_id

_LOGIN = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


class _Person(msgspec.Struct, frozen=True):
    agent: Agent
    sessions: int | None
    may_change: bool


async def people_page(request: web.Request) -> web.StreamResponse:
    """Everyone and every token."""
    return await _page(request)


async def invite(request: web.Request) -> web.StreamResponse:
    """Add a person and show their sign-in link once."""
    given = await fields(request)
    name, login = given.get("name", ""), given.get("login", "")
    role = role_of(given.get("role", "agent"))
    if not name or len(name) > 100 or not _LOGIN.fullmatch(login):
        return await _page(request, problem=ui.translate(request, "panel.people.error.fields"))
    _may_give(request, role)
    language = given.get("agent_language", "")
    people = services_of(request).store.people
    try:
        agent = await people.create_agent(
            login, name, role, language if language in {"ru", "en"} else "en"
        )
    except Conflict:
        return await _page(request, problem=ui.translate(request, "panel.people.error.login"))
    await audit(request, "agent.created", agent.login, {"role": str(role)})
    return await _page(request, link=await _link(request, agent), link_name=agent.name)


async def new_link(request: web.Request) -> web.StreamResponse:
    """Show a fresh sign-in link once."""
    agent = await _changeable(request)
    if agent.disabled_at is not None:
        raise BadRequest("This person is disabled.")
    await audit(request, "agent.link", agent.login)
    return await _page(request, link=await _link(request, agent), link_name=agent.name)


async def set_role(request: web.Request) -> web.StreamResponse:
    """Give a person another role."""
    agent = await _changeable(request)
    role = role_of((await fields(request)).get("role", ""))
    _may_give(request, role)
    await services_of(request).store.people.set_role(agent.id, role)
    await audit(request, "agent.role", agent.login, {"role": str(role)})
    return go("/admin/people", "role", name=agent.name)


async def disable(request: web.Request) -> web.StreamResponse:
    """Let a person in no more."""
    agent = await _changeable(request)
    await services_of(request).store.people.disable(agent.id)
    await audit(request, "agent.disabled", agent.login)
    return go("/admin/people", "disabled", name=agent.name)


async def enable(request: web.Request) -> web.StreamResponse:
    """Let a person in again."""
    agent = await _changeable(request)
    await services_of(request).store.people.disable(agent.id, False)
    await audit(request, "agent.enabled", agent.login)
    return go("/admin/people", "enabled", name=agent.name)


async def _page(request: web.Request, *, problem: str = "", **once: str) -> web.Response:
    people = services_of(request).store.people
    shown = {"link": "", "link_name": "", **once}
    listed = [
        _Person(agent, len(await people.sessions(agent.id)), may_change(request, agent))
        for agent in await people.agents()
    ]
    roles = _roles(request)
    context: dict[str, Any] = {
        "people": listed,
        "roles": roles,
        "role_options": [(role, ui.translate(request, f"ui.role.{role}")) for role in roles],
    }
    status = 422 if problem else 200
    return page(
        request, "panel_people.html", "people", status=status, problem=problem, **context, **shown
    )


async def _link(request: web.Request, agent: Agent) -> str:
    services = services_of(request)
    token = await services.store.people.one_time_link(agent.id, LINK_TTL_S)
    address = services.settings.http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    return f"{address}/sign-in/link/{token}"


async def _changeable(request: web.Request) -> Agent:
    agent = await services_of(request).store.people.agent(row_id(request))
    if not may_change(request, agent):
        raise Forbidden("Only an owner may do this.")
    return agent


def _roles(request: web.Request) -> list[Role]:
    return list(Role) if request[AGENT].role is Role.OWNER else [Role.AGENT, Role.ADMIN]


def _may_give(request: web.Request, role: Role) -> None:
    if role not in _roles(request):
        raise Forbidden("Only an owner may make owners.")


def may_change(request: web.Request, agent: Agent) -> bool:
    """Nobody changes their own rights, and only owners those of owners."""
    mine = request[AGENT]
    return agent.id != mine.id and (mine.role is Role.OWNER or agent.role is not Role.OWNER)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/people", people_page, "admin"),
        Route("POST", "/admin/people", invite, "admin"),
        Route("POST", r"/admin/people/{id:\d+}/link", new_link, "admin"),
        Route("POST", r"/admin/people/{id:\d+}/role", set_role, "admin"),
        Route("POST", r"/admin/people/{id:\d+}/disable", disable, "admin"),
        Route("POST", r"/admin/people/{id:\d+}/enable", enable, "admin"),
    )
