"""The list of articles, and the categories."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from bot import ui
from bot.access import Route
from bot.errors import NotFound
from bot.http import query

_STATES = ("live", "unused", "removed")
_PER_PAGE = 25


class _Wish(msgspec.Struct, frozen=True):
    query: str = ""
    category: str = ""
    language: Literal["", "ru", "en"] = ""
    state: Literal["live", "unused", "removed"] = "live"
    page: str = "1"


async def list_page(request: web.Request) -> web.StreamResponse:
    """Articles by filter, newest change first."""
    wish = query(request, _Wish)
    store = services_of(request).store
    found = await store.knowledge.articles(
        query=wish.query,
        category=wish.category,
        language=wish.language,
        state=wish.state,
        page=number_in(wish.page, 1, 100_000, 1),
        per_page=_PER_PAGE,
    )
    categories = await store.knowledge.categories()
    kept = {
        name: value
        for name in ("query", "category", "language", "state")
        if (value := getattr(wish, name)) and value != "live"
    }
    return page(
        request,
        "panel_knowledge.html",
        "knowledge",
        page=found,
        wish=wish,
        filtered=bool(kept),
        base_url=f"/admin/knowledge?{urlencode(kept)}" if kept else "/admin/knowledge",
        category_options=[category.name for category in categories],
        state_options=[(state, ui.translate(request, f"panel.state.{state}")) for state in _STATES],
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
        Route("GET", "/admin/knowledge", list_page, "admin"),
        Route("GET", "/admin/knowledge/categories", categories_page, "admin"),
        Route("POST", "/admin/knowledge/categories", save_category, "admin"),
    )
