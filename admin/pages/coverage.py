"""Where an article is missing: coverage by category, and questions that people answered by hand."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from admin.pages.frame import audit, number_in, page, services_of
from admin.pages.tables import csv_response
from bot.access import Route
from bot.store.coverage import Coverage

_HOME = "/admin/knowledge/coverage"
_PER_PAGE = 20


async def coverage_page(request: web.Request) -> web.StreamResponse:
    """Categories, and the questions of one or all of them."""
    services = services_of(request)
    coverage = Coverage(services.store.db, services.clock)
    category = request.query.get("category")
    number = number_in(request.query.get("page", ""), 1, 100_000, 1)
    return page(
        request,
        "panel_coverage.html",
        "knowledge",
        categories=await coverage.by_category(),
        questions=await coverage.unanswered(category, number, _PER_PAGE),
        category=category,
        base_url=_HOME if category is None else f"{_HOME}?{urlencode({'category': category})}",
    )


async def export(request: web.Request) -> web.StreamResponse:
    """Coverage by category as CSV."""
    services = services_of(request)
    rows = await Coverage(services.store.db, services.clock).by_category()
    await audit(request, "report.exported", "coverage")
    return csv_response(
        "coverage",
        ("category", "articles", "questions_30d", "answered_by_article"),
        ((row.name, row.articles, row.questions, row.by_article) for row in rows),
    )


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, coverage_page, "admin"),
        Route("GET", f"{_HOME}.csv", export, "admin"),
    )
