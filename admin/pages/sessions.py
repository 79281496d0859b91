"""Who is signed in where, and signing them out."""

from __future__ import annotations

import msgspec
from aiohttp import web

from admin.pages.frame import audit, go, page, services_of
from admin.pages.people import may_change
from bot.access import AGENT, SESSION, SESSION_TOKEN, Route
from bot.domain import Agent
from bot.errors import Forbidden
from bot.http import row_id
from bot.store.records import Session

_HOME = "/admin/people/sessions"


class _SignedIn(msgspec.Struct, frozen=True):
    agent: Agent
    session: Session
    here: bool
    may_end: bool


async def sessions_page(request: web.Request) -> web.StreamResponse:
    """Live sessions of everyone, or of ``?agent=ID``."""
    people = services_of(request).store.people
    wanted = request.query.get("agent", "")
    agent_id = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    listed = [
        _SignedIn(
            agent,
            session,
            here=session.id == request[SESSION].id,
            may_end=_may_end(request, agent) and session.id != request[SESSION].id,
        )
        for agent, session in await people.everyones_sessions(agent_id)
    ]
    return page(
        request,
        "panel_sessions.html",
        "people",
        sessions=listed,
        agents=[(agent.id, agent.name) for agent in await people.agents()],
        wanted=wanted,
        others=sum(one.agent.id == request[AGENT].id and not one.here for one in listed),
    )


async def end(request: web.Request) -> web.StreamResponse:
    """Sign one browser out."""
    people = services_of(request).store.people
    session_id = row_id(request)
    owner = await people.session_owner(session_id)
    if not _may_end(request, owner):
        raise Forbidden("Only an owner may do this.")
    await people.revoke_sessions(owner.id, session_id=session_id)
    await audit(request, "session.ended", owner.login)
    return go(_HOME, "session-ended", name=owner.name)


async def end_others(request: web.Request) -> web.StreamResponse:
    """Sign all of one's own browsers out but this one."""
    mine = request[AGENT]
    people = services_of(request).store.people
    await people.revoke_sessions(mine.id, keep_session=request[SESSION_TOKEN])
    await audit(request, "session.others-ended", mine.login)
    return go(_HOME, "sessions-ended")


def _may_end(request: web.Request, owner: Agent) -> bool:
    """One's own sessions, and those of people whose rights one may change."""
    return owner.id == request[AGENT].id or may_change(request, owner)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, sessions_page, "admin"),
        Route("POST", f"{_HOME}/end-others", end_others, "admin"),
        Route("POST", rf"{_HOME}/{{id:\d+}}/end", end, "admin"),
    )
