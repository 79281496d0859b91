"""Answering without a person: from a promised precision to thresholds, and what they would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from markupsafe import Markup

from admin.pages.frame import audit, fields, formats_of, go, number_in, page, services_of
from bot import ui
from bot.access import Route
from bot.domain import Category
from bot.errors import BadRequest
from bot.ui import charts
from nlp.coverage import GRID, Point, choose, points

_HOME: Final = "/admin/automatic"
_PROMISE: Final = 95  # percent, at first sight
_PREFIX: Final = "on."


class Line(msgspec.Struct, frozen=True):
    """A category: what the promise makes of it.

    ``threshold`` is its own, or that of all where it has too few questions (``own`` is False); None
    where the promise cannot be kept. ``point`` is what its questions say of the threshold, or of
    that of all where they are right too rarely.
    """

    category: Category
    rows: int
    threshold: float | None
    own: bool
    point: Point | None


async def automatic_page(request: web.Request) -> web.StreamResponse:
    """The curve, the threshold of the promise, and every category."""
    services = services_of(request)
    counts = await _counts(request)
    categories = await services.store.knowledge.categories()
    promise = number_in(request.query.get("promise", ""), 50, 99, _PROMISE)
    curve = points(counts) if counts else []
    chosen = choose(curve, promise / 100)
    surest = max(curve, key=lambda point: point.low, default=None)
    return page(
        request,
        "panel_automatic.html",
        "models",
        promise=promise,
        chosen=chosen,
        most=int(surest.low * 100) / 100 if surest is not None else 0.0,
        curve=curve,
        rows=counts["rows"] if counts else 0,
        drawing=_drawing(request, curve, chosen or surest, promise) if curve else "",
        lines=_lines(counts, categories, promise / 100, chosen) if counts else [],
        on=sum(category.auto_reply for category in categories),
    )


async def save(request: web.Request) -> web.StreamResponse:
    """Let the chosen categories answer by themselves, each from its own threshold; others not."""
    services = services_of(request)
    given = await fields(request)
    promise = number_in(given.get("promise", ""), 50, 99, _PROMISE)
    counts = await _counts(request)
    if not counts:
        raise BadRequest(ui.translate(request, "panel.automatic.nothing"))
    chosen = {value for name, value in given.items() if name.startswith(_PREFIX)}
    everywhere = choose(points(counts), promise / 100)
    categories = await services.store.knowledge.categories()
    lines = _lines(counts, categories, promise / 100, everywhere)
    wanted = [line for line in lines if line.category.name in chosen and line.threshold]
    for line in lines:
        on = line in wanted
        threshold = line.threshold if on else None
        if on or line.category.auto_reply:
            await services.store.knowledge.set_category(
                line.category.name, on, threshold or line.category.auto_threshold
            )
    detail = {"promise": promise, "categories": [line.category.name for line in wanted]}
    await audit(request, "automatic.saved", f"{promise} %", detail)
    return go(f"{_HOME}?promise={promise}", "automatic", n=len(wanted))


async def set_threshold(request: web.Request) -> web.StreamResponse:
    """Use the dragged threshold for every category that answers by itself."""
    services = services_of(request)
    given = await fields(request)
    try:
        threshold = float(given.get("threshold", ""))
    except ValueError:
        raise BadRequest(ui.translate(request, "panel.automatic.threshold-bad")) from None
    if not GRID[0] <= threshold <= GRID[-1]:
        raise BadRequest(ui.translate(request, "panel.automatic.threshold-bad"))
    on = [one for one in await services.store.knowledge.categories() if one.auto_reply]
    for category in on:
        await services.store.knowledge.set_category(category.name, True, threshold)
    await audit(request, "automatic.threshold", f"{threshold:.2f}", {"categories": len(on)})
    return go(_HOME, "automatic-threshold", n=len(on))


async def _counts(request: web.Request) -> Mapping[str, Any] | None:
    """What the live model's training counted; None where nothing was judged."""
    for row in await services_of(request).store.models.bundles():
        if "champion" in row.aliases:
            ranking = row.metrics.get("ranking")
            counts = ranking.get("automatic") if isinstance(ranking, Mapping) else None
            return counts if isinstance(counts, Mapping) and counts["rows"] else None
    return None


def _lines(
    counts: Mapping[str, Any],
    categories: Sequence[Category],
    promise: float,
    everywhere: Point | None,
) -> list[Line]:
    """Each category by its own questions, or by all where they are too few to vouch for it."""
    lines = []
    for category in categories:
        own = counts["groups"].get(category.name)
        curve = points(own) if own else []
        chosen = choose(curve, promise)
        used = chosen or everywhere
        threshold = used.threshold if used is not None else None
        point = next((one for one in curve if one.threshold == threshold), None)
        if point is not None and point.precision < promise:
            # Its own questions speak against the threshold that does for all.
            threshold = None
        rows = own["rows"] if own else 0
        lines.append(Line(category, rows, threshold, chosen is not None, point))
    return lines


def _drawing(
    request: web.Request, curve: Sequence[Point], start: Point | None, promise: int
) -> Markup:
    formats = formats_of(request)
    series = [
        charts.Series(ui.translate(request, f"panel.automatic.{name}"), values)
        for name, values in (
            ("precision", [point.precision if point.accepted else None for point in curve]),
            ("low", [point.low if point.accepted else None for point in curve]),
            ("coverage", [point.coverage for point in curve]),
        )
    ]
    return charts.threshold_curve(
        ui.translate(request, "panel.automatic.curve"),
        [point.threshold for point in curve],
        series,
        value=start.threshold if start is not None else curve[-1].threshold,
        field="threshold",
        label=ui.translate(request, "panel.automatic.threshold"),
        show=formats.percent,
        target=promise / 100,
        summary=ui.translate(request, "panel.numbers"),
    )


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, automatic_page, "admin"),
        Route("POST", _HOME, save, "admin"),
        Route("POST", f"{_HOME}/threshold", set_threshold, "admin"),
    )
