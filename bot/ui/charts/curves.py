"""Curves over numbers: any two measures, and how far probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from bot.ui.charts.drawing import (
    BOTTOM,
    HEIGHT,
    TOP,
    Frame,
    Series,
    Show,
    dot,
    figure,
    folded_table,
    grid,
    number_axis,
    numbers_table,
    plain,
    points_of,
    ticks,
)


class Bin(msgspec.Struct, frozen=True):
    """Predictions of about one probability.

    Attributes:
        predicted: their mean probability, 0..1.
        observed: share 0..1 that was right.
        count: how many.
        low, high: interval of ``observed``, 0..1.
    """

    predicted: float
    observed: float
    count: int
    low: float | None = None
    high: float | None = None


def curve(
    title: str,
    points: Sequence[tuple[float, float]],
    *,
    names: tuple[str, str],
    threshold: float | None = None,
    diagonal: bool = False,
    show: Show = plain,
    corner: str = "",
    summary: str = "",
) -> Markup:
    """One measured curve over numbers, e.g. precision by recall.

    Args:
        title: what the picture says.
        points: (x, y) in drawing order.
        names: of the two axes.
        threshold: x where a dashed line stands.
        diagonal: draw y = x.
        show: how a number is written.
        corner: heading of the table's first column.
        summary: words of the fold that hides the table.
    """
    x_marks = ticks(min((x for x, _ in points), default=0), max((x for x, _ in points), default=1))
    y_marks = ticks(min([0.0, *(y for _, y in points)]), max((y for _, y in points), default=1))
    frame = Frame(x_marks[0], x_marks[-1], y_marks[0], y_marks[-1])
    body = grid(frame, y_marks, show) + number_axis(frame, x_marks, show, names)
    body += _guides(frame, diagonal=diagonal, threshold=threshold)
    drawn = [(frame.x(x), frame.y(y)) for x, y in points]
    body += Markup('<polyline class="line s0" points="{}"/>').format(points_of(drawn))
    if len(points) <= 24:
        body += Markup().join(
            dot(0, *place, f"{show(x)} · {show(y)}")
            for place, (x, y) in zip(drawn, points, strict=True)
        )
    series = [Series(names[1], [y for _, y in points])]
    table = numbers_table(
        title, corner or names[0], [show(x) for x, _ in points], series, show, summary=summary
    )
    return figure(title, body, table)


def reliability(
    title: str,
    bins: Sequence[Bin],
    *,
    names: tuple[str, str, str],
    show: Show = plain,
    show_count: Show = plain,
    summary: str = "",
) -> Markup:
    """Predicted against observed shares; on the dashed line a probability keeps its word.

    Args:
        title: what the picture says.
        bins: by predicted probability; those without predictions are left out.
        names: of predicted, observed and the count.
        show: writes a share.
        show_count: writes a count.
        summary: words of the fold that hides the table.
    """
    filled = [one for one in bins if one.count]
    marks = ticks(0.0, 1.0, 5)
    frame = Frame(0.0, 1.0, 0.0, 1.0)
    body = grid(frame, marks, show) + number_axis(frame, marks, show, (names[0], ""))
    body += _guides(frame, diagonal=True, threshold=None)
    most = max((one.count for one in filled), default=1)
    for one in filled:
        height = one.count / most * (HEIGHT - TOP - BOTTOM) * 0.25
        body += Markup(
            '<rect class="mass" x="{:.1f}" y="{:.1f}" width="20" height="{:.1f}">'
            "<title>{}: {}</title></rect>"
        ).format(
            frame.x(one.predicted) - 10, HEIGHT - BOTTOM - height, height, names[2],
            show_count(one.count),
        )  # fmt: skip
        if one.low is not None and one.high is not None:
            body += Markup(
                '<line class="whisker" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>'
            ).format(frame.x(one.predicted), frame.y(one.low), frame.y(one.high))
    drawn = [(frame.x(one.predicted), frame.y(one.observed)) for one in filled]
    body += Markup('<polyline class="line s0" points="{}"/>').format(points_of(drawn))
    body += Markup().join(
        dot(0, *place, f"{names[0]} {show(one.predicted)} · {names[1]} {show(one.observed)}")
        for place, one in zip(drawn, filled, strict=True)
    )
    return figure(title, body, _bins_table(filled, names, (title, summary), show, show_count))


def _bins_table(
    bins: Sequence[Bin],
    names: tuple[str, str, str],
    words: tuple[str, str],
    show: Show,
    show_count: Show,
) -> Markup:
    title, summary = words
    head = Markup().join(Markup('<th scope="col">{}</th>').format(name) for name in names)
    rows = Markup().join(
        Markup(
            '<tr><th scope="row">{}</th><td class="number">{}</td><td class="number">{}</td></tr>'
        ).format(
            show(one.predicted),
            show(one.observed)
            if one.low is None or one.high is None
            else f"{show(one.observed)} ({show(one.low)} – {show(one.high)})",
            show_count(one.count),
        )
        for one in bins
    )
    return folded_table(title, head, rows, summary or title)


def _guides(frame: Frame, *, diagonal: bool, threshold: float | None) -> Markup:
    body = Markup()
    if diagonal:
        ends = [
            (frame.x(v), frame.y(v))
            for v in (max(frame.x_low, frame.y_low), min(frame.x_high, frame.y_high))
        ]
        body += Markup('<polyline class="guide" points="{}"/>').format(points_of(ends))
    if threshold is not None:
        body += Markup(
            '<line class="threshold" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        ).format(frame.x(threshold), TOP, HEIGHT - BOTTOM)
    return body
