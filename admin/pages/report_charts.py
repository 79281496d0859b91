"""The three pictures of the reports, each with its numbers beneath."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from aiohttp import web
from markupsafe import Markup

from admin.pages import report_figures as figures
from admin.pages.frame import formats_of, services_of
from bot import ui
from bot.store.desk_activity import Judged, Load
from bot.ui import charts
from bot.ui.formats import Formats


def charts_of(
    request: web.Request, period: int, load: Sequence[Load], judged: Sequence[Judged]
) -> list[tuple[str, Markup]]:
    """(name of the table, drawing) of each chart; of verdicts only where there are some."""
    drawn = [
        ("days", _days(request, period, load)),
        ("hours", _hours(request, period, load)),
    ]
    if judged:
        drawn.insert(1, ("ranks", _ranks(request, judged)))
    return drawn


def _days(request: web.Request, period: int, load: Sequence[Load]) -> Markup:
    formats, zone = formats_of(request), ui.viewer_for(request).timezone
    days = figures.calendar(services_of(request).clock(), period, zone)
    counts = figures.by_day(load, days, zone)
    series = [
        charts.Series(_text(request, "customers"), [customers for customers, _ in counts]),
        charts.Series(_text(request, "team"), [replies for _, replies in counts]),
    ]
    return charts.line(
        _text(request, "by-day"),
        [day_label(formats, day) for day in days],
        series,
        show=formats.number,
        corner=_text(request, "column.day"),
        summary=_text(request, "as-table"),
    )


def _ranks(request: web.Request, judged: Sequence[Judged]) -> Markup:
    shares = figures.rank_shares(judged)
    series = [
        charts.Series(_text(request, "accepted"), [accepted for accepted, _ in shares]),
        charts.Series(_text(request, "edited"), [edited for _, edited in shares]),
    ]
    return charts.bar(
        _text(request, "by-rank"),
        [str(rank) for rank in range(1, figures.RANKS + 1)],
        series,
        show=formats_of(request).percent,
        corner=_text(request, "column.rank"),
        summary=_text(request, "as-table"),
    )


def _hours(request: web.Request, period: int, load: Sequence[Load]) -> Markup:
    formats = formats_of(request)
    hours = figures.by_hour(load, period, ui.viewer_for(request).timezone)
    return charts.bar(
        _text(request, "by-hour"),
        [f"{hour}:00" for hour in range(24)],
        [charts.Series(_text(request, "per-day"), hours)],
        show=lambda value: formats.number(value, 1 if value < 10 and value % 1 else 0),
        corner=_text(request, "column.hour"),
        summary=_text(request, "as-table"),
    )


def day_label(formats: Formats, day: date) -> str:
    """A day as short as the axis needs it."""
    return f"{day:%d.%m}" if formats.language == "ru" else f"{day:%b %d}"


def _text(request: web.Request, key: str) -> str:
    return ui.translate(request, f"panel.reports.{key}")
