"""Models: the live one beside its challenger, what stands against it, promote and roll back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from admin import operations
from admin.operations import promote_model, roll_back
from admin.pages.frame import actor, audit, fields, go, page, services_of
from admin.pages.model_pictures import category_lines, pictures
from admin.pages.model_sides import SHARES, compared
from bot import ui
from bot.access import Route
from bot.domain import Article
from bot.errors import BadRequest, NotFound
from bot.learning.gate import Ruling
from bot.learning.promotion import ruling_on
from bot.services import Services
from bot.shadow import ShadowReport
from bot.store.records import BundleRow, Canary

_HOME = "/admin/models"
_CATEGORIES = 15  # of the table on the first page; the model's own page has all


class Line(msgspec.Struct, frozen=True):
    """A check of the ruling in words."""

    name: str
    passed: bool
    text: str


async def models_page(request: web.Request) -> web.StreamResponse:
    """Live model and challenger (or the one before), the ruling, pictures, shadow, all versions."""
    services = services_of(request)
    bundles = await services.store.models.bundles()
    champion = _aliased(bundles, "champion")
    previous = _aliased(bundles, "previous")
    challenger = _aliased(bundles, "challenger")
    rival = challenger or previous
    newer, older = (challenger, champion) if challenger else (champion, previous)
    ruling = _ruling(challenger, champion)
    canaries, report = await services.store.canaries.all(), await services.shadow.report()
    return page(
        request,
        "panel_models.html",
        "models",
        bundles=bundles,
        champion=champion,
        previous=previous,
        challenger=challenger,
        rival=rival,
        measures=compared(request, champion, rival, newer=newer),
        shares=SHARES,
        ruling=ruling,
        checks=_lines(ruling, ui.viewer_for(request).language),
        problem_text=services.serving.problem,
        stale=await services.store.erasing.stale_bundles(),
        newer=newer,
        older=older,
        categories=category_lines(_metrics(newer), _metrics(older))[:_CATEGORIES],
        drawings=pictures(request, _metrics(champion)),
        canaries=canaries,
        articles=await _named(services, canaries, report),
        shadow=report,
        rulings={row.version: _ruling(row, champion) for row in bundles},
    )


async def model_page(request: web.Request) -> web.StreamResponse:
    """Everything that is known of one version."""
    services = services_of(request)
    bundles = await services.store.models.bundles()
    version = request.match_info["version"]
    row = next((row for row in bundles if row.version == version), None)
    if row is None:
        raise NotFound(f"There is no model version '{version}'.")
    champion = _aliased(bundles, "champion")
    other = champion if champion != row else None
    ruling = Ruling.of_metrics(row.metrics)
    return page(
        request,
        "panel_model.html",
        "models",
        bundle=row,
        measures=compared(request, row, other, newer=row),
        shares=SHARES,
        other=other,
        checks=_lines(ruling, ui.viewer_for(request).language),
        categories=category_lines(row.metrics, _metrics(other)),
        drawings=pictures(request, row.metrics),
        data=row.metrics.get("data") or {},
    )


async def promote(request: web.Request) -> web.StreamResponse:
    """Let a version answer."""
    given = await fields(request)
    version = given.get("version", "")
    force = bool(given.get("force"))
    await promote_model(services_of(request), version, actor=actor(request), force=force)
    return go(_HOME, "promoted", version=version)


async def rollback(request: web.Request) -> web.StreamResponse:
    """Go back to the previous version."""
    version = await roll_back(services_of(request), actor=actor(request))
    return go(_HOME, "rolled-back", version=version)


async def shadow(request: web.Request) -> web.StreamResponse:
    """Put a version into the shadow; without one, end the comparison."""
    version = (await fields(request)).get("version", "")
    await operations.shadow(services_of(request), version or None, actor=actor(request))
    return go(_HOME, "shadow" if version else "shadow-ended", version=version)


async def add_canary(request: web.Request) -> web.StreamResponse:
    """Keep the answer of a question, whatever is trained."""
    services = services_of(request)
    given = await fields(request)
    question = given.get("question", "")
    if not question:
        raise BadRequest(ui.translate(request, "panel.models.canary-empty"))
    found = await services.serving.suggest(question, 1)
    if not found.items:
        raise BadRequest(ui.translate(request, "panel.models.canary-none"))
    answer = found.items[0].answer_id
    kept = await services.store.canaries.add(question, answer_id=answer, actor=actor(request))
    # Not its words: they may be a customer's, and the log keeps what it has.
    await audit(request, "canary.added", str(kept.id))
    return go(_HOME, "canary")


async def remove_canary(request: web.Request) -> web.StreamResponse:
    """Let a question's answer change again."""
    given = await fields(request)
    number = given.get("id", "")
    if not (number.isascii() and number.isdigit()):
        raise BadRequest(ui.translate(request, "panel.models.canary-none"))
    await services_of(request).store.canaries.remove(int(number))
    await audit(request, "canary.removed", number)
    return go(_HOME, "canary-removed")


async def _named(
    services: Services, canaries: Sequence[Canary], report: ShadowReport | None
) -> dict[int, Article]:
    """Articles that the page names, by id: of canaries and of what differs in the shadow."""
    ids = {one.answer_id for one in canaries}
    for one in report.differing if report is not None else ():
        ids |= {one.champion_id, one.shadow_id, one.accepted_id}
    known = sorted(one for one in ids if one is not None)
    found = await services.store.knowledge.some(known) if known else []
    return {article.id: article for article in found}


def _aliased(bundles: list[BundleRow], alias: str) -> BundleRow | None:
    return next((bundle for bundle in bundles if alias in bundle.aliases), None)


def _metrics(row: BundleRow | None) -> Mapping[str, Any]:
    return row.metrics if row is not None else {}


def _ruling(row: BundleRow | None, champion: BundleRow | None) -> Ruling | None:
    """What stands against a version today; None for the live one, or where there is none."""
    if row is None or "champion" in row.aliases:
        return None
    return ruling_on(row.metrics, champion.version if champion is not None else None)


def _lines(ruling: Ruling | None, language: str) -> list[Line]:
    """Checks in words, those that failed first."""
    checks = ruling.checks if ruling is not None else ()
    lines = [Line(check.name, check.passed, check.words(language)) for check in checks]
    return sorted(lines, key=lambda line: line.passed)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, models_page, "admin"),
        Route("POST", f"{_HOME}/promote", promote, "admin"),
        Route("POST", f"{_HOME}/rollback", rollback, "admin"),
        Route("POST", f"{_HOME}/shadow", shadow, "admin"),
        Route("POST", f"{_HOME}/canaries", add_canary, "admin"),
        Route("POST", f"{_HOME}/canaries/remove", remove_canary, "admin"),
        Route("GET", f"{_HOME}/{{version}}", model_page, "admin"),
    )
