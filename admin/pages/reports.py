"""Reports: how much was asked, how fast it was answered, which suggestions were taken, by whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages import report_figures as figures
from admin.pages.frame import audit, formats_of, number_in, page, services_of
from admin.pages.report_charts import charts_of
from admin.pages.tables import csv_response
from bot import ui
from bot.access import Route
from bot.errors import NotFound
from bot.http import query
from bot.store.desk_activity import DeskActivity, Judged, Load, Scope, Talk

_PERIODS = (7, 30, 90)
_HOME = "/admin/reports"
_GROUPS = ("category", "agent", "channel")


class Figure(msgspec.Struct, frozen=True):
    """One number of a head row."""

    label: str
    value: str
    hint: str = ""
    points: Sequence[float] = ()


class _Wish(msgspec.Struct, frozen=True):
    days: str = "30"
    category: str = ""
    agent: str = ""
    channel: str = ""
    by: Literal["category", "agent", "channel"] = "category"

    @property
    def period(self) -> int:
        """The nearest of the periods on offer."""
        days = number_in(self.days, 1, 90, 30)
        return min(_PERIODS, key=lambda period: abs(period - days))

    def address(self, path: str = _HOME, **changed: str | int) -> str:
        """The page with the same filter but for what is ``changed``."""
        kept: dict[str, str | int] = {**msgspec.structs.asdict(self), **changed}
        defaults = {"days": "30", "by": "category"}
        asked = {n: v for n, v in kept.items() if v and str(v) != defaults.get(n)}
        return f"{path}?{urlencode(asked)}" if asked else path


class _Rows(msgspec.Struct, frozen=True):
    talks: list[Talk]
    judged: list[Judged]
    load: list[Load]


async def reports_page(request: web.Request) -> web.StreamResponse:
    """Figures, three charts and a table by category, agent or channel."""
    wish = query(request, _Wish)
    store = services_of(request).store
    rows = await _rows(request, wish)
    earlier = await _rows(request, wish, back=1)
    names = await _names(request, wish.by)
    filtered = bool(wish.category or wish.agent or wish.channel)
    agents = await store.people.agents()
    return page(
        request,
        "panel_reports.html",
        "reports",
        wish=wish,
        period=wish.period,
        periods=[(str(n), ui.translate(request, "panel.reports.days", n=n)) for n in _PERIODS],
        filtered=filtered,
        something=bool(rows.load or rows.judged),
        stats=_figures(request, wish, rows, earlier),
        charts_drawn=charts_of(request, wish.period, rows.load, rows.judged),
        groups=_GROUPS,
        lines=figures.lines_by(rows.talks, rows.judged, wish.by, names),
        duration=lambda seconds: duration(request, seconds),
        categories=[category.name for category in await store.knowledge.categories()],
        agents=[(agent.id, agent.name) for agent in agents],
        channels=_channels(request),
    )


async def export(request: web.Request) -> web.StreamResponse:
    """One of the tables of the page as CSV, under the same filter."""
    table = request.match_info["table"]
    wish = query(request, _Wish)
    if table == "verdicts":
        return await _verdicts(request)
    header, rows = await _table(request, table, wish)
    await audit(request, "report.exported", table)
    return csv_response(f"{table}-{wish.period}d", header, rows)


async def _table(
    request: web.Request, table: str, wish: _Wish
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Header and rows.

    Raises:
        NotFound: there is no such table.
    """
    rows = await _rows(request, wish)
    zone = ui.viewer_for(request).timezone
    days = figures.calendar(services_of(request).clock(), wish.period, zone)
    if table == "days":
        counts = figures.by_day(rows.load, days, zone)
        return ("day", "customer_messages", "replies"), [
            (str(day), *count) for day, count in zip(days, counts, strict=True)
        ]
    if table == "ranks":
        shares = figures.rank_shares(rows.judged)
        return ("rank", "accepted", "edited"), [(n, *one) for n, one in enumerate(shares, 1)]
    if table == "hours":
        hours = figures.by_hour(rows.load, len(days), zone)
        return ("hour", "customer_messages_per_day"), [*enumerate(hours)]
    if table in _GROUPS:
        lines = figures.lines_by(rows.talks, rows.judged, table, await _names(request, table))
        columns = [column.name for column in msgspec.structs.fields(figures.Line)]
        return (table, *columns[1:]), [msgspec.structs.astuple(one) for one in lines]
    raise NotFound("There is no such table.")


async def _verdicts(request: web.Request) -> web.StreamResponse:
    rows = [*await services_of(request).store.feedback.export()]
    await audit(request, "verdicts.exported", str(len(rows)))
    names = list(rows[0]) if rows else ["message_id", "answer_id", "rank", "verdict"]
    return csv_response("verdicts", names, ([row[name] for name in names] for row in rows))


def duration(request: web.Request, seconds: float | None) -> str:
    """A waiting time in the viewer's language; a dash where nobody waited."""
    if seconds is None:
        return "—"
    if seconds < 60:
        return ui.translate(request, "panel.seconds", n=round(seconds))
    return formats_of(request).span(seconds)


async def _rows(request: web.Request, wish: _Wish, back: int = 0) -> _Rows:
    """The rows of the period, or of the one ``back`` periods before."""
    services = services_of(request)
    zone = ui.viewer_for(request).timezone
    days = figures.calendar(services.clock(), wish.period * (back + 1), zone)
    since = figures.begin_of(days[0], zone)
    until = figures.begin_of(days[wish.period], zone) if back else services.clock() + 86_400.0
    agent = int(wish.agent) if wish.agent.isascii() and wish.agent.isdigit() else None
    scope = Scope(since, until, wish.category, wish.channel, agent)
    activity = DeskActivity(services.store.db, services.clock)
    return _Rows(
        await activity.talks(scope), await activity.judged(scope), await activity.load(scope)
    )


async def _names(request: web.Request, by: str) -> Callable[[str], str]:
    """How a key of the group is called."""
    agents = {str(a.id): a.name for a in await services_of(request).store.people.agents()}
    channels = dict(_channels(request))
    none = ui.translate(request, "panel.reports.none-of-them")
    known = {"agent": agents, "channel": channels}.get(by, {})
    return lambda key: known.get(key, key) or none


def _channels(request: web.Request) -> list[tuple[str, str]]:
    return [
        (name, ui.translate(request, f"panel.channel.{name}"))
        for name in ("web", "telegram", "rest")
    ]


def _figures(request: web.Request, wish: _Wish, rows: _Rows, earlier: _Rows) -> list[Figure]:
    formats, zone = formats_of(request), ui.viewer_for(request).timezone
    days = figures.calendar(services_of(request).clock(), wish.period, zone)
    now, before = (figures.line("", one.talks, one.judged) for one in (rows, earlier))
    daily = figures.daily(days, zone, rows.talks, rows.judged)
    asked = [customers for customers, _ in figures.by_day(rows.load, days, zone)]

    def text(key: str, **params: str | int) -> str:
        return ui.translate(request, f"panel.reports.{key}", **params)

    def share(value: float | None) -> str:
        return "—" if value is None else formats.percent(value)

    def was(value: str) -> str:
        return text("before", value=value)

    edits = "—" if now.edits is None else text("characters", n=round(now.edits))
    return [
        Figure(
            text("messages"),
            formats.number(sum(asked)),
            was(formats.number(sum(row.customers for row in earlier.load))),
            asked,
        ),
        Figure(
            text("accept"),
            share(now.taken),
            was(share(before.taken)),
            [day.taken or 0.0 for day in daily],
        ),
        Figure(
            text("median"),
            duration(request, now.median_s),
            text("p90", value=duration(request, now.p90_s)),
            [day.median_s or 0.0 for day in daily],
        ),
        Figure(
            text("deflection"),
            share(now.bot_share),
            was(share(before.bot_share)),
            [day.bot_share or 0.0 for day in daily],
        ),
        Figure(text("edits"), edits, text("edits-hint"), [day.edits or 0.0 for day in daily]),
    ]


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, reports_page, "admin"),
        Route("GET", rf"{_HOME}/{{table:[a-z]+}}.csv", export, "admin"),
    )
