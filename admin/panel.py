"""The panel as a part of the server's application: routes, templates, places in the head."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from admin.pages import (
    articles,
    audit,
    automatic,
    channels,
    content,
    coverage,
    customers,
    duplicates,
    imports,
    insight_table,
    insight_value,
    insights,
    knowledge,
    models,
    overview,
    people,
    reports,
    review,
    sessions,
    system,
    tokens,
    training,
    training_set,
    unanswered,
    webhooks,
)
from admin.scoring.work import InsightWork
from bot.access import Route, add_routes
from bot.domain import Role
from bot.services import SERVICES
from bot.ui import NavigationItem

TEMPLATES = Path(__file__).parent / "templates"
_INNER = {
    "training-set": ("/admin/review", "/admin/unanswered"),
    "models": ("/admin/training", "/admin/automatic"),
    "customers": (insights.HOME, content.HOME),
}
NAVIGATION = (
    *(
        NavigationItem(f"panel.nav.{name}", f"/admin/{name}", Role.ADMIN, _INNER.get(name, ()))
        for name in (
            "overview",
            "knowledge",
            "training-set",
            "models",
            "customers",
            "channels",
            "people",
            "reports",
            "system",
        )
    ),
)
_PAGES = (
    overview,
    knowledge,
    imports,
    articles,
    duplicates,
    coverage,
    training_set,
    review,
    unanswered,
    models,
    customers,
    insights,
    insight_table,
    insight_value,
    content,
    training,
    automatic,
    channels,
    people,
    sessions,
    tokens,
    reports,
    system,
    audit,
    webhooks,
)


def routes() -> list[Route]:
    """Every route of the panel."""
    return [route for page in _PAGES for route in page.routes()]


def add(app: web.Application) -> None:
    """Add the panel to the server's application."""
    add_routes(app, routes())
    app.on_startup.append(_offer_work)


async def _offer_work(app: web.Application) -> None:
    services = app[SERVICES]
    await services.jobs.offer(InsightWork(services))
