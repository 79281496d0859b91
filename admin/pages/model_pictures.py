"""What a training measured, as pictures and tables: categories, confusions, reliability, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from markupsafe import Markup

from admin.pages.frame import formats_of
from bot import ui
from bot.ui import charts

_SHOWN_LOSSES: Final = 6  # curves of the latest fits
_PARTS: Final = ("classifier", "ranking")


class CategoryLine(msgspec.Struct, frozen=True):
    """A category in cross-validation. Shares are 0..1, None where nothing was there to count."""

    name: str
    rows: int
    recall: float | None
    precision: float | None
    change: float | None  # of the recall, against the other model


def category_lines(metrics: Mapping[str, Any], other: Mapping[str, Any]) -> list[CategoryLine]:
    """Categories of a bundle, those that fell most first, then the hardest."""
    before = {one["name"]: _recall(one) for one in _categories(other)}
    lines = []
    for one in _categories(metrics):
        recall, old = _recall(one), before.get(one["name"])
        change = recall - old if recall is not None and old is not None else None
        precision = one["right"] / one["called"] if one["called"] else None
        lines.append(CategoryLine(one["name"], one["rows"], recall, precision, change))
    return sorted(lines, key=lambda line: (line.change or 0.0, line.recall or 0.0, line.name))


def pictures(request: web.Request, metrics: Mapping[str, Any]) -> list[Markup]:
    """Reliability of both parts and the confusions, as far as they were measured."""
    bins = {part: _part(metrics, part).get("reliability") or () for part in _PARTS}
    found = [_reliability(request, part, measured) for part, measured in bins.items()]
    found.append(_confusion(request, metrics))
    return [drawing for drawing in found if drawing]


def losses(request: web.Request, metrics: Mapping[str, Any]) -> Markup:
    """Loss of the latest fits over the share of their steps; empty before the first point."""
    curves = [one for one in metrics.get("loss") or () if len(one["points"]) > 1][-_SHOWN_LOSSES:]
    if not curves:
        return Markup("")
    formats = formats_of(request)
    shares = sorted({point[0] for one in curves for point in one["points"]})
    series = [
        charts.Series(str(one["fit"]), [_at(dict(one["points"]), share) for share in shares])
        for one in curves
    ]
    return charts.line(
        ui.translate(request, "panel.training.loss"),
        [formats.percent(share) for share in shares],
        series,
        show=lambda value: formats.number(value, 3),
        corner=ui.translate(request, "panel.training.loss-share"),
        summary=ui.translate(request, "panel.numbers"),
    )


def _at(points: Mapping[float, float], share: float) -> float | None:
    return points.get(share)


def _confusion(request: web.Request, metrics: Mapping[str, Any]) -> Markup:
    wrong: Sequence[tuple[str, str, int]] = _part(metrics, "classifier").get("confusions") or ()
    figures = {one["name"]: one for one in _categories(metrics)}
    if not wrong or not figures:
        return Markup("")
    labels = sorted(figures)
    place = {name: at for at, name in enumerate(labels)}
    counts = [[0.0] * len(labels) for _ in labels]
    for name, one in figures.items():
        counts[place[name]][place[name]] = float(one["right"])
    for true, said, rows in wrong:
        if true in place and said in place:
            counts[place[true]][place[said]] = float(rows)
    formats = formats_of(request)
    return charts.confusion(
        ui.translate(request, "panel.models.confusion"),
        labels,
        counts,
        names=(
            ui.translate(request, "panel.models.confusion-true"),
            ui.translate(request, "panel.models.confusion-said"),
        ),
        rest=ui.translate(request, "panel.models.confusion-rest"),
        show=formats.number,
    )


def _reliability(
    request: web.Request, part: str, bins: Sequence[tuple[float, float, int]]
) -> Markup:
    if not bins:
        return Markup("")
    formats = formats_of(request)
    return charts.reliability(
        ui.translate(request, f"panel.models.reliability-{part}"),
        [charts.Bin(confidence, share, rows) for confidence, share, rows in bins],
        names=(
            ui.translate(request, "panel.models.said"),
            ui.translate(request, "panel.models.observed"),
            ui.translate(request, "panel.models.rows"),
        ),
        show=formats.percent,
        show_count=formats.number,
        summary=ui.translate(request, "panel.numbers"),
    )


def _part(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = metrics.get(name)
    return found if isinstance(found, Mapping) else {}


def _categories(metrics: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return _part(metrics, "classifier").get("categories") or ()


def _recall(one: Mapping[str, Any]) -> float | None:
    return one["right"] / one["rows"] if one["rows"] else None
