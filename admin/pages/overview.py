"""Overview: the first steps until they are done, then how things are."""

from __future__ import annotations

import msgspec
from aiohttp import web

from admin.demo.company import load_company
from admin.operations import import_articles
from admin.pages.channels import channel_card
from admin.pages.frame import audit, go, page, services_of
from admin.pages.reports import Figure
from admin.pages.system import findings
from bot import ui
from bot.access import AGENT, Route
from bot.errors import NotFound
from bot.services import Services
from bot.store.reports import Reports
from bot.ui.formats import Formats
from bot.ui.viewer import viewer_of

_STEPS = ("knowledge", "channel", "train", "agents")
_SKIPPED = "first_run_skipped"
_HOME = "/admin/overview"


class Step(msgspec.Struct, frozen=True):
    """One of the first steps: ``href`` or ``post`` is its action, ``sample`` loads sample data."""

    key: str
    text: str
    href: str = ""
    post: str = ""
    sample: str = ""
    blocked: bool = False
    done: bool = False
    current: bool = False


async def home(request: web.Request) -> web.StreamResponse:
    """Lead to the overview."""
    del request
    return go(_HOME)


async def overview_page(request: web.Request) -> web.StreamResponse:
    """First steps, figures, state."""
    services = services_of(request)
    articles = (await services.store.knowledge.articles(per_page=1)).total
    champion = next(
        (b for b in await services.store.models.bundles() if "champion" in b.aliases), None
    )
    steps = await _steps(request, articles, trained=champion is not None)
    return page(
        request,
        "panel_overview.html",
        "overview",
        company=services.settings.company,
        steps=[] if all(step.done for step in steps) else steps,
        stats=await _figures(request, articles),
        model=champion,
        channels=[channel_card(request, name) for name in ("web", "telegram")],
        red=[found for found in await findings(request) if found.state == "bad"],
    )


async def skip(request: web.Request) -> web.StreamResponse:
    """Take a step off the list."""
    key = request.match_info["step"]
    if key not in _STEPS:
        raise NotFound("There is no such step.")
    agent = request[AGENT]
    skipped = sorted({*_skipped(request), key})
    await services_of(request).store.people.set_preferences(agent.id, {_SKIPPED: skipped})
    return go(_HOME)


async def load_sample(request: web.Request) -> web.StreamResponse:
    """Fill the knowledge base with the made-up company, one click."""
    services = services_of(request)
    company = load_company()
    diff = await import_articles(services, company.article_rows(), dry_run=False)
    await services.store.knowledge.import_tickets(
        company.tickets(await services.store.knowledge.all_items())
    )
    await audit(request, "knowledge.sample", "", {"added": diff.added})
    return go(_HOME, "sample", added=diff.added)


async def _steps(request: web.Request, articles: int, *, trained: bool) -> list[Step]:
    services = services_of(request)
    counts = await services.store.conversations.counts(None)
    asked = any(counts[view] for view in ("all", "snoozed", "closed"))
    telegram = services.settings.telegram.mode != "off"
    people = [a for a in await services.store.people.agents() if a.disabled_at is None]
    skipped = _skipped(request)
    done = {
        "knowledge": articles > 0,
        "channel": asked or telegram,
        "train": trained,
        "agents": len(people) > 1,
    }
    done.update(dict.fromkeys(skipped, True))
    current = next((key for key in _STEPS if not done[key]), "")
    return [
        msgspec.structs.replace(step, done=done[step.key], current=step.key == current)
        for step in _plain_steps(request, articles)
    ]


def _plain_steps(request: web.Request, articles: int) -> list[Step]:
    """The steps in their order, nothing done yet."""

    def text(key: str) -> str:
        return ui.translate(request, f"panel.first.{key}")

    training = text("train.text") if articles else text("train.text-early")
    return [
        Step(
            "knowledge",
            text("knowledge.text"),
            href="/admin/knowledge/import",
            sample="/admin/first-run/sample",
        ),
        Step("channel", text("channel.text"), href="/admin/channels"),
        Step("train", training, post="/admin/training", blocked=articles == 0),
        Step("agents", text("agents.text"), href="/admin/people"),
    ]


def _skipped(request: web.Request) -> set[str]:
    saved = request[AGENT].preferences.get(_SKIPPED, [])
    return {key for key in saved if key in _STEPS} if isinstance(saved, list) else set()


async def _figures(request: web.Request, articles: int) -> list[Figure]:
    services: Services = services_of(request)
    activity = await Reports(services.store.db, services.clock).activity(7)
    counts = await services.store.conversations.counts(None)
    viewer = viewer_of(request, lambda _: (None, ""), services.settings.language)
    formats = Formats(viewer.language, viewer.timezone)

    def text(key: str) -> str:
        return ui.translate(request, f"panel.stat.{key}")

    suggested = "—" if activity.suggested is None else formats.percent(activity.suggested)
    return [
        Figure(text("waiting"), formats.number(counts["unassigned"]), text("waiting-hint")),
        Figure(text("messages"), formats.number(sum(activity.customers)), "", activity.customers),
        Figure(text("accepted"), suggested, text("accepted-hint")),
        Figure(text("articles"), formats.number(articles)),
    ]


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin", home, "admin"),
        Route("GET", _HOME, overview_page, "admin"),
        Route("POST", "/admin/first-run/sample", load_sample, "admin"),
        Route("POST", "/admin/first-run/{step}/skip", skip, "admin"),
    )
