"""What customers are worth: tenths foretold and real, steps, who is worth most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from markupsafe import Markup

from admin.pages.frame import audit, formats_of, go, number_in, page, services_of
from admin.pages.insight_pictures import warnings_of
from admin.pages.insights import HOME, cancel, failed_run, job_state, running, stage_of
from admin.pages.tables import csv_response
from admin.pages.uploads import keep
from admin.scoring.orders import VALUE, TableOrders
from admin.scoring.work import INSIGHTS
from bot import ui
from bot.access import Route
from bot.errors import BadRequest
from bot.http import form
from bot.store.insights import Run, Score
from bot.ui import charts

_HERE: Final = f"{HOME}/{VALUE}"
_PER_PAGE: Final = 25
_MOST: Final = 100_000
_HISTORY: Final = 10
_SEEN: Final = 0.005  # a smaller probability reads as 0 %


async def value_page(request: web.Request) -> web.StreamResponse:
    """The latest run, and a form for the next."""
    store = services_of(request).store
    runs = await store.insights.runs(VALUE, _HISTORY)
    run = runs[0] if runs else None
    shown: dict[str, Any] = {}
    if run is not None:
        number = number_in(request.query.get("page", ""), 1, 100_000, 1)
        shown = {
            "deciles": _deciles(request, run),
            "stack": _stack(request, run),
            "likely": partial(_likely, request, _steps(request, run)),
            "top": await store.insights.scores(
                run.id, by_value=True, page=number, per_page=_PER_PAGE
            ),
            "warnings": warnings_of(request, run.report["warnings"]),
        }
    return page(
        request,
        "panel_insight_value.html",
        "customers",
        home=_HERE,
        run=run,
        runs=runs,
        job=await running(request),
        failed=await failed_run(request, VALUE),
        stage=partial(stage_of, request),
        **shown,
    )


async def start(request: web.Request) -> web.StreamResponse:
    """Compute anew from the purchases of the events, or from an uploaded table."""
    given = await form(request)
    texts = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
    upload = given.get("file")
    params: dict[str, Any] = {"target": VALUE}
    if isinstance(upload, web.FileField) and upload.filename:
        name, _ = await keep(request, upload)
        orders = TableOrders(
            name=Path(upload.filename).name[:100],
            column=texts.get("amount", ""),
            date_column=texts.get("date", ""),
            id_column=texts.get("customer", ""),
        )
        params |= {"upload": name, "table": msgspec.to_builtins(orders)}
    elif texts.get("event") and texts.get("counter"):
        params |= {"event": texts["event"][:64], "counter": texts["counter"][:64]}
    else:
        raise BadRequest(ui.translate(request, "panel.insights.value.nothing"))
    job, fresh = await services_of(request).jobs.submit(INSIGHTS, params)
    if fresh:
        await audit(request, "insights.started", VALUE, {"job": job.id})
    return go(_HERE)


async def values_file(request: web.Request) -> web.StreamResponse:
    """Every customer with the expected spending, as CSV."""
    store = services_of(request).store
    run = await store.insights.latest(VALUE)
    t = partial(ui.translate, request)
    header = [t(f"panel.insights.{name}") for name in
              ("subject", "value.expected", "value.again", "value.bg-nbd")]  # fmt: skip
    items = [] if run is None else (
        await store.insights.scores(run.id, by_value=True, per_page=_MOST)
    ).items  # fmt: skip
    rows = (
        [
            one.subject,
            f"{one.value:.2f}",
            f"{one.probability:.4f}",
            one.reasons[0].get("bg_nbd", ""),
        ]
        for one in items
    )
    await audit(request, "insights.exported", VALUE, {"customers": len(items)})
    return csv_response("values", header, rows)


def _deciles(request: web.Request, run: Run) -> Markup:
    """Mean spending of each tenth as foretold, as it came, and as BG/NBD has it."""
    t, formats = partial(ui.translate, request), formats_of(request)
    steps, second = run.report["steps"], run.report["bg_nbd"]
    series = [_series(t("panel.insights.value.expected"), steps, "expected"),
              _series(t("panel.insights.value.real"), steps, "spent")]  # fmt: skip
    if second is not None:
        series.append(_series(t("panel.insights.value.bg-nbd"), second, "expected"))
    return charts.bar(
        t("panel.insights.value.deciles"),
        [str(place) for place in range(1, len(steps["deciles"]) + 1)],
        series,
        show=formats.number,
        corner=t("panel.insights.value.tenth"),
        summary=t("panel.numbers"),
    )


def _series(name: str, figures: Mapping[str, Any], key: str) -> charts.Series:
    return charts.Series(name, [one[key] for one in figures["deciles"]])


def _stack(request: web.Request, run: Run) -> Markup:
    """Of each tenth of today's customers, how likely each step is."""
    t, formats = partial(ui.translate, request), formats_of(request)
    rows = [row for row in run.report["stack"] if row]
    return charts.stack(
        t("panel.insights.value.stack"),
        [str(place) for place in range(1, len(rows) + 1)],
        [
            charts.Series(name, [row[place] for row in rows])
            for place, name in enumerate(_steps(request, run))
        ],
        show=formats.percent,
        corner=t("panel.insights.value.tenth"),
        summary=t("panel.numbers"),
    )


def _steps(request: web.Request, run: Run) -> Sequence[str]:
    """The steps in words: nothing, up to the first edge, between edges, more."""
    formats = formats_of(request)
    edges = run.report["steps"]["edges"]
    between = [f"{formats.number(low)}–{formats.number(high)}" for low, high in pairwise(edges)]
    more = ui.translate(request, "panel.insights.value.more", edge=formats.number(edges[-1]))
    return [ui.translate(request, "panel.insights.value.zero"), *between, more]


def _likely(request: web.Request, steps: Sequence[str], score: Score) -> str:
    """The steps that a customer may take, each with its probability."""
    formats = formats_of(request)
    shares = zip(steps, score.reasons[0]["steps"], strict=True)
    return " · ".join(f"{name}: {formats.percent(one)}" for name, one in shares if one >= _SEEN)


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    return (
        Route("GET", _HERE, value_page, "admin"),
        Route("POST", _HERE, start, "admin"),
        Route("POST", f"{HOME}/{{target:{VALUE}}}/cancel", cancel, "admin"),
        Route("GET", f"{_HERE}/job", job_state, "admin"),
        Route("GET", f"{_HERE}/values.csv", values_file, "admin"),
    )
