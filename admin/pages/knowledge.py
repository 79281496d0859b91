"""The list of articles, and the categories."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.duplicates import refresh_pairs
from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from bot import ui
from bot.access import Route
from bot.errors import NotFound
from bot.http import query
from bot.store.coverage import STATES, ArticleState, Coverage, Sorting, Wish

_HOME = "/admin/knowledge"
_PER_PAGE = 25


class _Wish(msgspec.Struct, frozen=True):
    query: str = ""
    category: str = ""
    language: Literal["", "ru", "en"] = ""
    state: ArticleState = "live"
    sort: Sorting = "-updated"
    page: str = "1"

    def address(self, **changed: str) -> str:
        """The list with the same filter but for what is ``changed``."""
        kept = {**msgspec.structs.asdict(self), "page": "", **changed}
        defaults = {"state": "live", "sort": "-updated"}
        asked = {name: value for name, value in kept.items() if value != defaults.get(name, "")}
        return f"{_HOME}?{urlencode(asked)}" if asked else _HOME

    def sorting(self, column: str) -> dict[str, str]:
        """Head of a column that sorts: the greatest first, then the other way round."""
        way = {f"-{column}": "descending", column: "ascending"}.get(self.sort, "")
        return {
            "sort": self.address(sort=column if way == "descending" else f"-{column}"),
            "sorted": way,
        }


async def list_page(request: web.Request) -> web.StreamResponse:
    """Articles by filter, with what each answered in 30 days."""
    wish = query(request, _Wish)
    services = services_of(request)
    await refresh_pairs(services)
    coverage = Coverage(services.store.db, services.clock)
    found = await coverage.articles(
        Wish(wish.query, wish.category, wish.language, wish.state, wish.sort),
        number_in(wish.page, 1, 100_000, 1),
        _PER_PAGE,
    )
    return page(
        request,
        "panel_knowledge.html",
        "knowledge",
        page=found,
        wish=wish,
        facets=await coverage.facets(),
        filtered=wish.address(sort="-updated") != _HOME,
        base_url=wish.address(),
        state_options=[(state, ui.translate(request, f"panel.state.{state}")) for state in STATES],
    )


async def categories_page(request: web.Request) -> web.StreamResponse:
    """Categories with their automatic reply."""
    found = await services_of(request).store.knowledge.categories()
    return page(request, "panel_categories.html", "knowledge", categories=found)


async def save_category(request: web.Request) -> web.StreamResponse:
    """Switch the automatic reply of a category."""
    given = await fields(request)
    name = given.get("name", "")
    store = services_of(request).store
    if name not in {category.name for category in await store.knowledge.categories()}:
        raise NotFound("There is no such category.")
    threshold = number_in(given.get("threshold", ""), 50, 99, 90) / 100
    on = given.get("auto_reply") == "1"
    await store.knowledge.set_category(name, on, threshold)
    await audit(
        request,
        "category.changed",
        name,
        {"auto_reply": on, "threshold": threshold, "by": actor(request)},
    )
    return go("/admin/knowledge/categories", "category", name=name)


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    return (
        Route("GET", _HOME, list_page, "admin"),
        Route("GET", "/admin/knowledge/categories", categories_page, "admin"),
        Route("POST", "/admin/knowledge/categories", save_category, "admin"),
    )
