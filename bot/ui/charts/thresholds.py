"""Measures over a threshold that a person moves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

import msgspec
from markupsafe import Markup

from bot.ui.charts.drawing import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Frame,
    Series,
    Show,
    bounds,
    figure,
    grid,
    number_axis,
    numbers_table,
    plain,
    points_of,
    runs,
    ticks,
)


def threshold_curve(
    title: str,
    thresholds: Sequence[float],
    series: Sequence[Series],
    *,
    value: float,
    field: str,
    label: str,
    show: Show = plain,
    step: float = 0.01,
    target: float | None = None,
    summary: str = "",
) -> Markup:
    """Measures over a threshold that is dragged in the picture or moved by the slider beneath.

    The slider is an ``<input type="range" name=field>`` and belongs to the form around the figure;
    what the measures are at the threshold follows (without ``static/charts.js`` the form alone).

    Args:
        title: what the picture says.
        thresholds: where the measures were taken, ascending.
        series: measures at each threshold, all of one scale.
        value: where the threshold stands now.
        field: name of the slider, and the beginning of the ids around it.
        label: words of the slider and of the axis.
        show: how a threshold is written, and a measure whose series does not say.
        step: of the slider.
        target: level that a measure shall reach, as a guide.
        summary: words of the fold that hides the table.

    Raises:
        ValueError: fewer than two thresholds, or they do not ascend.
    """
    if len(thresholds) < 2 or any(b <= a for a, b in pairwise(thresholds)):
        raise ValueError("a threshold curve needs at least two ascending thresholds")
    low, high = thresholds[0], thresholds[-1]
    value = min(high, max(low, value))
    marks = ticks(*bounds(series))
    frame = Frame(low, high, marks[0], marks[-1])
    body = grid(frame, marks, show) + number_axis(frame, _inside(low, high), show, (label, ""))
    body += _curves(frame, thresholds, series, target)
    at = _nearest(thresholds, value)
    body += _handle(frame, series, at, value)
    below = _control(title, series, at, value, field=field, label=label, show=show,
                     span=(low, high, step))  # fmt: skip
    below += numbers_table(
        title, label, [show(x) for x in thresholds], series, show, summary=summary
    )
    moves = Markup(' data-threshold="{}"').format(_moves(frame, thresholds, series, show))
    return figure(title, body, below, [row.name for row in series], moves)


def _inside(low: float, high: float) -> list[float]:
    return [mark for mark in ticks(low, high, 5) if low - 1e-9 <= mark <= high + 1e-9]


def _curves(
    frame: Frame, thresholds: Sequence[float], series: Sequence[Series], target: float | None
) -> Markup:
    body = Markup()
    if target is not None:
        body += Markup('<line class="guide" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>').format(
            LEFT, WIDTH - RIGHT, frame.y(target)
        )
    for index, row in enumerate(series):
        for run in runs(row.values):
            body += Markup('<polyline class="line s{}" points="{}"/>').format(
                index, points_of((frame.x(thresholds[i]), frame.y(v)) for i, v in run)
            )
    return body


def _nearest(thresholds: Sequence[float], value: float) -> int:
    at = bisect_left(thresholds, value)
    if at == 0:
        return 0
    if at == len(thresholds):
        return at - 1
    return at if thresholds[at] - value < value - thresholds[at - 1] else at - 1


def _handle(frame: Frame, series: Sequence[Series], at: int, value: float) -> Markup:
    """The line of the threshold and a dot on each curve."""
    x = frame.x(value)
    body = Markup(
        '<line class="threshold" data-line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        '<circle class="grip" data-grip cx="{0:.1f}" cy="{1}" r="7"/>'
    ).format(x, TOP, HEIGHT - BOTTOM)
    for index, row in enumerate(series):
        y = row.values[at]
        body += Markup(
            '<circle class="fill s{}" data-dot cx="{:.1f}" cy="{:.1f}" r="4"{}/>'
        ).format(index, x, frame.y(y or 0.0), Markup(' visibility="hidden"') if y is None else "")
    return body


def _control(
    title: str,
    series: Sequence[Series],
    at: int,
    value: float,
    *,
    field: str,
    label: str,
    show: Show,
    span: tuple[float, float, float],
) -> Markup:
    """The slider and, beneath it, the measures at its threshold."""
    low, high, step = span
    facts = Markup().join(
        Markup("<div><dt>{}</dt><dd data-value>{}</dd></div>").format(
            row.name, _said(row, at, show)
        )
        for row in series
    )
    return Markup(
        '<div class="threshold-control"><label for="{0}-slider">{1}</label>'
        '<input type="range" id="{0}-slider" name="{0}" min="{2:g}" max="{3:g}" step="{4:g}" '
        'value="{5:g}" aria-describedby="{0}-facts">'
        '<output for="{0}-slider" data-shown>{6}</output></div>'
        '<dl class="facts threshold-facts" id="{0}-facts" aria-label="{7}">{8}</dl>'
    ).format(field, label, low, high, step, value, show(value), title, facts)


def _said(row: Series, at: int, show: Show) -> str:
    value = row.values[at]
    return "—" if value is None or not isfinite(value) else (row.show or show)(value)


def _moves(frame: Frame, thresholds: Sequence[float], series: Sequence[Series], show: Show) -> str:
    """JSON for the script: where everything stands at each threshold, and what it says."""
    return msgspec.json.encode(
        {
            "x": list(thresholds),
            "shown": [show(x) for x in thresholds],
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "rows": [
                {
                    "y": [None if y is None else round(frame.y(y), 1) for y in row.values],
                    "said": [_said(row, i, show) for i in range(len(thresholds))],
                }
                for row in series
            ],
        }
    ).decode()
