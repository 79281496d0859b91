"""Pictures and words of a forecast: precision over the share flagged, calibration, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup

from admin.pages.frame import formats_of
from bot import ui
from bot.store.insights import Run
from bot.ui import charts
from bot.ui.counters import name_in_words

_STEP: Final = 0.001


def figures_of(run: Run) -> Mapping[str, Any]:
    """Figures of the model that answers."""
    chosen: Mapping[str, Any] = run.report[run.report["chosen"]]
    return chosen


def curve_of(run: Run) -> list[Mapping[str, Any]]:
    """Places of the curve by the share flagged, each with its threshold, ascending."""
    rising: list[Mapping[str, Any]] = []
    for point in figures_of(run)["curve"]:
        if not rising or point["share"] > rising[-1]["share"]:
            rising.append(point)
    return rising


def place_of(run: Run) -> Mapping[str, Any] | None:
    """The place of the curve where the run's threshold stands; None where nobody is flagged."""
    inside = [point for point in curve_of(run) if point["threshold"] >= run.threshold]
    return inside[-1] if inside else None


def curve(request: web.Request, run: Run) -> Markup:
    """The curve with its threshold, for a form around it; nothing where there is too little."""
    points, formats = curve_of(run), formats_of(request)
    if len(points) < 2:
        return Markup()
    place = place_of(run)
    series = [
        charts.Series(
            ui.translate(request, f"panel.insights.curve.{name}"), [point[name] for point in points]
        )
        for name in ("precision", "low", "recall", "threshold")
    ]
    return charts.threshold_curve(
        ui.translate(request, "panel.insights.curve"),
        [point["share"] for point in points],
        series,
        value=place["share"] if place is not None else points[0]["share"],
        field="share",
        label=ui.translate(request, "panel.insights.curve.share"),
        show=lambda share: formats.percent(share, 1 if share < 0.0995 else 0),
        step=_STEP,
        target=run.report["precision"],
        summary=ui.translate(request, "panel.numbers"),
    )


def calibration(request: web.Request, run: Run) -> Markup:
    """Predicted against observed."""
    formats = formats_of(request)
    t = partial(ui.translate, request)
    bins = [
        charts.Bin(one["probability"], one["share"], one["rows"])
        for one in figures_of(run)["reliability"]
    ]
    return charts.reliability(
        t("panel.insights.calibration"),
        bins,
        names=(t("panel.insights.predicted"), t("panel.insights.observed"),
               t("panel.insights.rows")),
        show=formats.percent,
        show_count=formats.number,
        summary=t("panel.numbers"),
    )  # fmt: skip


def warnings_of(request: web.Request, warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warnings of a table or a run in the words of the one who looks."""
    t, formats = partial(ui.translate, request), formats_of(request)

    def written(value: Any) -> Any:
        return formats.number(value, 2) if isinstance(value, float) else value

    said = []
    for one in warnings:
        params = {name: written(value) for name, value in one.items() if name != "code"}
        if "column" in params:
            params["column"] = name_in_words(params["column"], t)
        try:
            said.append(t(f"panel.insights.warning.{one['code']}", **params))
        except KeyError:
            said.append(str(one["text"]))
    return said
