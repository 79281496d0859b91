"""Training data: what teaches, where it comes from, what collides, who gives too much."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from admin.pages.frame import actor, audit, fields, go, page, services_of
from bot.access import Route
from bot.errors import NotFound
from bot.learning.doubts import Labelled
from bot.learning.training_set import Overview

_SHOWN = 15


async def training_set_page(request: web.Request) -> web.StreamResponse:
    """Counts, sources, conflicts and duplicates, as they are now."""
    services = services_of(request)
    overview = await services.jobs.training_set.examine()
    examination = overview.examination
    bundle = services.serving.bundle
    stale = await services.store.erasing.stale_bundles()
    return page(
        request,
        "panel_training_set.html",
        "training-set",
        overview=overview,
        total=sum(overview.origins.values()),
        conflicts=examination.conflicts[:_SHOWN],
        conflict_count=len(examination.conflicts),
        duplicates=examination.duplicates[:_SHOWN],
        duplicate_count=len(examination.duplicates),
        capped=examination.capped,
        names=await _names(request, overview),
        place=_place,
        stale=stale,
        live_is_stale=bundle is not None and bundle.version in stale,
        share=services.settings.training.source_share,
        tabs=await tab_counts(request),
    )


async def suspect(request: web.Request) -> web.StreamResponse:
    """Mark a source as suspicious, or clear it; its rows wait or teach again at once."""
    services = services_of(request)
    given = await fields(request)
    source, marked = given.get("source", ""), given.get("marked") == "1"
    rows = [row for row in await services.store.training.rows() if row.source == source]
    if not rows:
        raise NotFound("There is no such source.")
    await services.store.training.suspect(source, marked, actor(request))
    await services.jobs.training_set.examine()
    await services.serving.apply_articles({row.answer_id for row in rows if row.answer_id})
    await audit(request, "training.suspected" if marked else "training.cleared", source)
    names = await _names(request, await services.jobs.training_set.examine())
    notice = "suspected" if marked else "cleared"
    return go("/admin/training-set", notice, name=names.get(source, source))


async def tab_counts(request: web.Request) -> dict[str, int]:
    """What the tabs of these pages say of themselves."""
    store = services_of(request).store
    return {
        "review": await store.training.waiting(),
        "unanswered": len(await store.unanswered.clusters("open")),
    }


async def _names(request: web.Request, overview: Overview) -> dict[str, str]:
    """Names of sources that are people."""
    agents = {agent.id: agent.name for agent in await services_of(request).store.people.agents()}
    names: dict[str, str] = {}
    for source in (entry.source for entry in overview.sources):
        kind, _, value = source.partition(":")
        known = agents.get(int(value)) if kind == "agent" and value.isdigit() else None
        names[source] = known or value or source
    return names


def _place(text: Labelled) -> dict[str, Any]:
    """Where a text of a conflict can be put right."""
    if text.row is None:
        return {"key": "knowledge", "href": f"/admin/knowledge/{text.answer_id}"}
    return {"key": "verdict" if text.row.kind == "v" else "ticket", "href": "/admin/review"}


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/training-set", training_set_page, "admin"),
        Route("POST", "/admin/training-set/suspect", suspect, "admin"),
    )
