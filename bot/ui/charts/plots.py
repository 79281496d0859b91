"""Lines and bars over labels, and the line as small as a word."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bot.ui.charts.drawing import (
    Frame,
    Series,
    Show,
    bounds,
    distinct_ticks,
    dot,
    figure,
    grid,
    numbers_table,
    plain,
    points_of,
    runs,
    x_labels,
)

# More dots than this would be a thick line.
_DOTS = 40


def line(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Show = plain,
    corner: str = "",
    summary: str = "",
) -> Markup:
    """Lines over equally spaced labels; a gap where a value is None."""
    marks = distinct_ticks(*bounds(series), show)
    frame = Frame(0, max(1, len(labels) - 1), marks[0], marks[-1])
    body = grid(frame, marks, show) + x_labels(frame, labels)
    for index, row in enumerate(series):
        write = row.show or show
        for run in runs(row.values):
            body += Markup('<polyline class="line s{}" points="{}"/>').format(
                index, points_of((frame.x(i), frame.y(v)) for i, v in run)
            )
            if len(run) == 1 or len(labels) <= _DOTS:
                body += Markup().join(
                    dot(index, frame.x(i), frame.y(v), f"{labels[i]} · {row.name}: {write(v)}")
                    for i, v in run
                )
    table = numbers_table(title, corner, labels, series, show, summary=summary)
    return figure(title, body, table, [row.name for row in series])


def bar(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Show = plain,
    corner: str = "",
    summary: str = "",
) -> Markup:
    """Upright bars, grouped when there are several series."""
    marks = distinct_ticks(*bounds(series), show)
    frame = Frame(-0.5, len(labels) - 0.5, marks[0], marks[-1])
    body = grid(frame, marks, show) + x_labels(frame, labels)
    width = (frame.x(1) - frame.x(0)) * 0.72 / max(1, len(series))
    for index, row in enumerate(series):
        for i, value in enumerate(row.values):
            if value is None:
                continue
            top, base = sorted((frame.y(value), frame.y(0)))
            left = frame.x(i) + (index - len(series) / 2) * width
            body += Markup(
                '<rect class="fill s{}" x="{:.1f}" y="{:.1f}" '
                'width="{:.1f}" height="{:.1f}" rx="2">'
                "<title>{} · {}: {}</title></rect>"
            ).format(
                index, left, top, max(1.0, width - 2), base - top, labels[i], row.name, show(value)
            )
    table = numbers_table(title, corner, labels, series, show, summary=summary)
    return figure(title, body, table, [row.name for row in series])


def sparkline(values: Sequence[float]) -> Markup:
    """A line as small as a word; the number beside it says the rest."""
    low, high = min(values), max(values)
    span = (high - low) or 1
    last = max(1, len(values) - 1)
    points = [(2 + i / last * 96, 22 - (value - low) / span * 20) for i, value in enumerate(values)]
    return Markup(
        '<svg class="sparkline" viewBox="0 0 100 24" width="100" height="24" '
        'preserveAspectRatio="xMinYMid" aria-hidden="true">'
        '<polyline class="line s0" points="{}"/>'
        '<circle class="fill s0" cx="{:.1f}" cy="{:.1f}" r="2"/></svg>'
    ).format(points_of(points), *points[-1])
