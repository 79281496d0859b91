"""The review queue: doubtful rows, approved or refused, one by one or many at once, with undo."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from admin.pages.training_set import tab_counts
from bot import ui
from bot.access import Route
from bot.errors import BadRequest, NotFound
from bot.http import query, row_id
from bot.learning.doubts import REASONS
from bot.store.training import State

_PER_PAGE = 25
_DECISIONS: dict[str, State] = {"approved": "approved", "refused": "refused"}


class _Wish(msgspec.Struct, frozen=True):
    query: str = ""
    category: str = ""
    source: str = ""
    reason: Literal["", "conflict", "model", "edited", "cap", "source"] = ""
    state: Literal["waiting", "approved", "refused"] = "waiting"
    page: str = "1"


async def review_page(request: web.Request) -> web.StreamResponse:
    """Rows by filter, newest first; what is no longer doubtful has left."""
    services = services_of(request)
    wish = query(request, _Wish)
    overview = await services.jobs.training_set.examine()
    training = services.store.training
    filters = _filters(wish)
    found = await training.reviews(filters, number_in(wish.page, 1, 100_000, 1), per_page=_PER_PAGE)
    counts = {
        state: (await training.reviews({**filters, "state": state}, per_page=1)).total
        for state in ("waiting", "approved", "refused")
    }
    agents = {f"agent:{a.id}": a.name for a in await services.store.people.agents()}
    categories = [c.name for c in await services.store.knowledge.categories()]
    kept = {name: value for name, value in filters.items() if value and value != "waiting"}
    return page(
        request,
        "panel_review.html",
        "review",
        undo_path="/admin/review/{}/undo",
        page=found,
        wish=wish,
        kept=kept,
        filtered=bool(set(kept) - {"state"}),
        base_url=f"/admin/review?{urlencode(kept)}" if kept else "/admin/review",
        states=[
            (state, ui.translate(request, f"panel.review.state.{state}"), _at(kept, state), n)
            for state, n in counts.items()
        ],
        reason_options=[(name, ui.translate(request, f"panel.review.{name}")) for name in REASONS],
        source_options=[(s.source, agents.get(s.source, s.source)) for s in overview.sources],
        category_options=categories,
        tabs=await tab_counts(request),
    )


async def decide(request: web.Request) -> web.StreamResponse:
    """Approve or refuse one row, the chosen ones, or all that the filter shows."""
    services = services_of(request)
    given = await fields(request)
    name, _, number = given.get("decision", "").partition("-")
    if name not in _DECISIONS:
        raise BadRequest("Choose what to do with these rows.")
    filters = {key: given.get(f"f.{key}", "") for key in ("query", "category", "source", "reason")}
    back = _back(filters, given.get("f.state", ""))
    training = services.store.training
    ids = [int(number)] if number.isdigit() else list(_chosen(given))
    if not ids and number != "all":
        return go(back, "nothing-chosen")
    try:
        batch, changed, rows = await training.decide(
            filters if number == "all" else ids, _DECISIONS[name], actor(request)
        )
    except NotFound:
        return go(back, "decided-before")
    await services.serving.apply_articles(changed)
    await audit(request, f"training.{name}", str(batch), {"rows": rows})
    return go(back, f"rows-{name}", undo=batch, n=rows)


async def undo(request: web.Request) -> web.StreamResponse:
    """Let the rows of a decision wait again."""
    services = services_of(request)
    batch = row_id(request, "batch")
    changed, rows = await services.store.training.undo(batch)
    await services.serving.apply_articles(changed)
    await audit(request, "training.undone", str(batch), {"rows": rows})
    return go("/admin/review", "rows-undone", n=rows)


def _filters(wish: _Wish) -> dict[str, str]:
    return {
        name: getattr(wish, name) for name in ("query", "category", "source", "reason", "state")
    }


def _at(kept: dict[str, str], state: str) -> str:
    return _back({name: value for name, value in kept.items() if name != "state"}, state)


def _back(filters: dict[str, str], state: str) -> str:
    kept = {name: value for name, value in filters.items() if value}
    if state and state != "waiting":
        kept["state"] = state
    return f"/admin/review?{urlencode(kept)}" if kept else "/admin/review"


def _chosen(given: dict[str, str]) -> Iterable[int]:
    for name in given:
        kind, _, number = name.partition(".")
        if kind == "row" and number.isascii() and number.isdigit() and len(number) < 19:
            yield int(number)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/review", review_page, "admin"),
        Route("POST", "/admin/review", decide, "admin"),
        Route("POST", r"/admin/review/{batch:\d+}/undo", undo, "admin"),
    )
