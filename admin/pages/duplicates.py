"""Articles written twice: side by side, made one, or kept apart."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from aiohttp import web

from admin.pages.articles import apply_articles
from admin.pages.differences import marked
from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from admin.pages.likeness import find_pairs
from bot.access import Route
from bot.errors import BadRequest
from bot.http import query, row_id
from bot.services import Services
from bot.store.article_pairs import ArticlePairs

_HOME = "/admin/knowledge/duplicates"
_PER_PAGE = 10


class _Wish(msgspec.Struct, frozen=True):
    kind: Literal["", "duplicate", "conflict"] = ""
    page: str = "1"
    kept: str = ""  # the article that the last merge kept


async def duplicates_page(request: web.Request) -> web.StreamResponse:
    """Pairs by kind, most alike first."""
    wish = query(request, _Wish)
    services = services_of(request)
    await refresh_pairs(services)
    pairs = await _pairs(services).pairs(wish.kind, number_in(wish.page, 1, 100_000, 1), _PER_PAGE)
    return page(
        request,
        "panel_duplicates.html",
        "knowledge",
        pairs=pairs,
        wish=wish,
        marked=marked,
        undo_path=f"{_HOME}/undo/{number_in(wish.kept, 0, 10**9, 0)}/{{}}",
        base_url=f"{_HOME}?kind={wish.kind}" if wish.kind else _HOME,
    )


async def merge(request: web.Request) -> web.StreamResponse:
    """Keep one article with the questions of both."""
    keep, drop = await _two(request)
    article = await _pairs(services_of(request)).merge(keep, drop, actor(request))
    await apply_articles(request, keep, drop)
    await audit(request, "article.merged", str(keep), {"with": drop})
    title = article.title or (article.questions[0] if article.questions else article.text[:80])
    return go(f"{_HOME}?kept={keep}", "merged", undo=drop, title=title[:80])


async def undo_merge(request: web.Request) -> web.StreamResponse:
    """Make two of one again."""
    keep, drop = row_id(request, "keep"), row_id(request, "drop")
    await _pairs(services_of(request)).undo_merge(keep, drop, actor(request))
    await apply_articles(request, keep, drop)
    await audit(request, "article.unmerged", str(keep), {"with": drop})
    return go(_HOME, "unmerged")


async def keep_apart(request: web.Request) -> web.StreamResponse:
    """Take a pair off the list."""
    first, second = await _two(request)
    await _pairs(services_of(request)).keep_apart(first, second, actor(request))
    await audit(request, "article.not-twice", str(first), {"with": second})
    return go(_HOME, "kept-apart")


async def refresh_pairs(services: Services) -> None:
    """Look for pairs again where the knowledge base has changed since the last time."""
    pairs = _pairs(services)
    revision = await services.store.knowledge.revision()
    if await pairs.seen_revision() == revision:
        return
    listed = await services.store.knowledge.all_items()
    await pairs.replace(await asyncio.to_thread(find_pairs, listed), revision)


def _pairs(services: Services) -> ArticlePairs:
    return ArticlePairs(services.store.db, services.clock)


async def _two(request: web.Request) -> tuple[int, int]:
    """The articles that the form names.

    Raises:
        BadRequest: it does not name two.
    """
    given = await fields(request)
    ids = [given.get(name, "") for name in ("keep", "drop")]
    if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in ids):
        raise BadRequest("Choose two articles.")
    return int(ids[0]), int(ids[1])


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, duplicates_page, "admin"),
        Route("POST", f"{_HOME}/merge", merge, "admin"),
        Route("POST", rf"{_HOME}/undo/{{keep:\d+}}/{{drop:\d+}}", undo_merge, "admin"),
        Route("POST", f"{_HOME}/apart", keep_apart, "admin"),
    )
