"""Reports: how much was asked, how fast it was answered, which suggestions were taken."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from admin.pages.frame import audit, number_in, page, services_of
from bot import ui
from bot.access import Route
from bot.store.reports import DAY_S, Activity, Reports
from bot.ui import charts
from bot.ui.formats import Formats
from bot.ui.viewer import viewer_of

_PERIODS = (7, 30, 90)
_RANKS = 5
# A cell that begins with one of these is run as a formula by spreadsheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the head row."""

    label: str
    value: str
    hint: str = ""
    points: Sequence[float] = ()


async def reports_page(request: web.Request) -> web.StreamResponse:
    """Figures and charts of the last days."""
    services = services_of(request)
    days = number_in(request.query.get("days", ""), 1, 90, 30)
    days = min(_PERIODS, key=lambda period: abs(period - days))
    activity = await Reports(services.store.db, services.clock).activity(days)
    return page(
        request,
        "panel_reports.html",
        "reports",
        days=days,
        total=sum(activity.customers),
        stats=_figures(request, activity),
        messages_chart=_messages_chart(request, activity),
        rank_chart=_rank_chart(request, activity) if activity.ranks else "",
    )


async def export(request: web.Request) -> web.StreamResponse:
    """Every verdict as CSV."""
    rows = [*await services_of(request).store.feedback.export()]
    await audit(request, "verdicts.exported", str(len(rows)))
    out = io.StringIO()
    names = list(rows[0]) if rows else ["message_id", "answer_id", "rank", "verdict"]
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([[_cell(row[name]) for name in names] for row in rows])
    headers = {"Content-Disposition": 'attachment; filename="verdicts.csv"'}
    return web.Response(text="\ufeff" + out.getvalue(), content_type="text/csv", headers=headers)


def accept_share(ranks: Mapping[int, Mapping[str, int]], rank: int) -> float | None:
    """Share 0..1 of the suggestions at this place that agents took, as they were or edited."""
    verdicts = ranks.get(rank, {})
    total = sum(verdicts.values())
    return (verdicts.get("accepted", 0) + verdicts.get("edited", 0)) / total if total else None


def duration(request: web.Request, seconds: float | None) -> str:
    """A waiting time in the viewer's language; a dash where nobody waited."""
    if seconds is None:
        return "—"
    if seconds < 60:
        return ui.translate(request, "panel.seconds", n=round(seconds))
    return _formats(request).span(seconds)


def _figures(request: web.Request, activity: Activity) -> list[Figure]:
    formats = _formats(request)

    def text(key: str) -> str:
        return ui.translate(request, f"panel.reports.{key}")

    first = accept_share(activity.ranks, 1)
    return [
        Figure(text("messages"), formats.number(sum(activity.customers)), "", activity.customers),
        Figure(text("replies"), formats.number(sum(activity.replies)), "", activity.replies),
        Figure(
            text("accept"), "—" if first is None else formats.percent(first), text("accept-hint")
        ),
        Figure(text("median"), duration(request, activity.first_reply_s), text("median-hint")),
    ]


def _messages_chart(request: web.Request, activity: Activity) -> str:
    formats = _formats(request)
    now = time.time()
    days = len(activity.customers)
    labels = [_day(formats, now - (days - 1 - index) * DAY_S) for index in range(days)]
    series = [
        charts.Series(ui.translate(request, "panel.reports.customers"), list(activity.customers)),
        charts.Series(ui.translate(request, "panel.reports.team"), list(activity.replies)),
    ]
    title = ui.translate(request, "panel.reports.by-day")
    corner = ui.translate(request, "panel.reports.day")
    return charts.line(title, labels, series, show=formats.number, corner=corner)


def _rank_chart(request: web.Request, activity: Activity) -> str:
    formats = _formats(request)
    ranks = range(1, _RANKS + 1)
    series = [
        charts.Series(
            ui.translate(request, "panel.reports.accepted"),
            [accept_share(activity.ranks, r) for r in ranks],
        )
    ]
    title = ui.translate(request, "panel.reports.by-rank")
    corner = ui.translate(request, "panel.reports.rank")
    return charts.bar(
        title,
        [str(r) for r in ranks],
        series,
        show=formats.percent,
        corner=corner,
    )


def _formats(request: web.Request) -> Formats:
    viewer = viewer_of(request, lambda _: (None, ""), services_of(request).settings.language)
    return Formats(viewer.language, viewer.timezone)


def _day(formats: Formats, at: float) -> str:
    return (
        f"{datetime.fromtimestamp(at, UTC):%d.%m}"
        if formats.language == "ru"
        else f"{datetime.fromtimestamp(at, UTC):%b %d}"
    )


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/reports", reports_page, "admin"),
        Route("GET", "/admin/reports/verdicts.csv", export, "admin"),
    )
