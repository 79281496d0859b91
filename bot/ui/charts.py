"""Charts as SVG drawn on the server, each with its numbers in a table beneath.

Colours come from classes (``static/charts.css``), never from the drawing, so that both themes and
forced colours work; no style attributes, so that the strict content policy holds. Nothing here
knows what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup

_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 12, 32

Show = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One named row of numbers."""

    name: str
    values: Sequence[float | None]


def _plain(value: float) -> str:
    return f"{value:.4g}"


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round values that cover ``low``..``high``."""
    if high <= low:
        high = low + 1
    raw = (high - low) / wanted
    scale = 10.0 ** floor(log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * 0.999)
    start = floor(low / step) * step
    count = (
        int(-(-(high - start) // step))
        if (high - start) % step > step * 1e-6
        else round((high - start) / step)
    )
    return [round(start + i * step, 10) for i in range(count + 1)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Linear scales from data to drawing units."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / ((self.x_high - self.x_low) or 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _text(x: float, y: float, text: str, kind: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, kind, text)


def _grid(frame: _Frame, marks: Sequence[float], show: Show) -> Markup:
    lines = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
            _LEFT, _WIDTH - _RIGHT, frame.y(mark), frame.y(mark)
        )
        + _text(_LEFT - 8, frame.y(mark) + 4, show(mark), "tick end")
        for mark in marks
    ]
    return Markup().join(lines)


def _figure(title: str, body: Markup, table: Markup, legend: Sequence[str] = ()) -> Markup:
    keys = Markup().join(
        Markup(
            '<li><svg width="10" height="10" aria-hidden="true">'
            '<rect class="fill s{}" width="10" height="10" rx="2"/></svg>{}</li>'
        ).format(i, name)
        for i, name in enumerate(legend)
    )
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption>{}'
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>{}</figure>'
    ).format(title, Markup('<ul class="legend">{}</ul>').format(keys) if len(legend) > 1 else "",
             _WIDTH, _HEIGHT, title, title, body, table)  # fmt: skip


def numbers_table(
    title: str, corner: str, labels: Sequence[str], series: Sequence[Series], show: Show
) -> Markup:
    """The numbers of a chart, folded until somebody asks."""
    head = Markup().join(Markup('<th scope="col">{}</th>').format(row.name) for row in series)
    rows = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label,
            Markup().join(
                Markup('<td class="number">{}</td>').format(
                    "" if row.values[i] is None else show(row.values[i] or 0.0)
                )
                for row in series
            ),
        )
        for i, label in enumerate(labels)
    )
    return Markup(
        '<details class="chart-table"><summary>{}</summary><div class="table-wrap">'
        '<table class="table"><caption class="visually-hidden">{}</caption>'
        '<thead><tr><th scope="col">{}</th>{}</tr></thead>'
        "<tbody>{}</tbody></table></div></details>"
    ).format(corner or title, title, corner, head, rows)


def _x_labels(frame: _Frame, labels: Sequence[str]) -> Markup:
    every = max(1, -(-len(labels) // 8))
    return Markup().join(
        _text(frame.x(i), _HEIGHT - 10, label, "tick middle")
        for i, label in enumerate(labels)
        if i % every == 0
    )


def _bounds(series: Sequence[Series]) -> tuple[float, float]:
    values = [v for row in series for v in row.values if v is not None and isfinite(v)]
    return min([0.0, *values]), max(values, default=1.0)


def line(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Show = _plain,
    corner: str = "",
) -> Markup:
    """Lines over equally spaced labels; a gap where a value is None."""
    marks = ticks(*_bounds(series))
    frame = _Frame(0, max(1, len(labels) - 1), marks[0], marks[-1])
    body = _grid(frame, marks, show) + _x_labels(frame, labels)
    for index, row in enumerate(series):
        for run in _runs(row.values):
            body += Markup('<polyline class="line s{}" points="{}"/>').format(
                index, _points((frame.x(i), frame.y(v)) for i, v in run)
            )
            if len(run) == 1:
                body += Markup('<circle class="fill s{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(
                    index, frame.x(run[0][0]), frame.y(run[0][1])
                )
    return _figure(
        title,
        body,
        numbers_table(title, corner, labels, series, show),
        [row.name for row in series],
    )


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    runs: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is not None and isfinite(value):
            runs[-1].append((i, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def bar(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Show = _plain,
    corner: str = "",
) -> Markup:
    """Upright bars, grouped when there are several series."""
    marks = ticks(*_bounds(series))
    frame = _Frame(-0.5, len(labels) - 0.5, marks[0], marks[-1])
    body = _grid(frame, marks, show) + _x_labels(frame, labels)
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
    return _figure(
        title,
        body,
        numbers_table(title, corner, labels, series, show),
        [row.name for row in series],
    )


def curve(
    title: str,
    points: Sequence[tuple[float, float]],
    *,
    names: tuple[str, str],
    threshold: float | None = None,
    diagonal: bool = False,
    show: Show = _plain,
    corner: str = "",
) -> Markup:
    """One measured curve over numbers, e.g. precision by recall or a reliability diagram.

    Args:
        title: what the picture says.
        points: (x, y) in drawing order.
        names: of the two axes.
        threshold: x where a dashed line stands.
        diagonal: draw y = x, the line of perfect calibration.
        show: how a number is written.
        corner: heading of the table's first column.
    """
    x_marks = ticks(min((x for x, _ in points), default=0), max((x for x, _ in points), default=1))
    y_marks = ticks(min([0.0, *(y for _, y in points)]), max((y for _, y in points), default=1))
    frame = _Frame(x_marks[0], x_marks[-1], y_marks[0], y_marks[-1])
    body = _grid(frame, y_marks, show)
    body += Markup().join(
        _text(frame.x(mark), _HEIGHT - 16, show(mark), "tick middle") for mark in x_marks
    )
    body += _text(_WIDTH - _RIGHT, _HEIGHT - 2, names[0], "axis end") + _text(
        _LEFT, 10, names[1], "axis"
    )
    body += _guides(frame, diagonal=diagonal, threshold=threshold)
    drawn = [(frame.x(x), frame.y(y)) for x, y in points]
    body += Markup('<polyline class="line s0" points="{}"/>').format(_points(drawn))
    if len(points) <= 24:
        body += Markup().join(
            Markup('<circle class="fill s0" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(x, y)
            for x, y in drawn
        )
    table = numbers_table(
        title,
        corner or names[0],
        [show(x) for x, _ in points],
        [Series(names[1], [y for _, y in points])],
        show,
    )
    return _figure(title, body, table)


def _guides(frame: _Frame, *, diagonal: bool, threshold: float | None) -> Markup:
    body = Markup()
    if diagonal:
        ends = [
            (frame.x(v), frame.y(v))
            for v in (max(frame.x_low, frame.y_low), min(frame.x_high, frame.y_high))
        ]
        body += Markup('<polyline class="guide" points="{}"/>').format(_points(ends))
    if threshold is not None:
        body += Markup(
            '<line class="threshold" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        ).format(frame.x(threshold), _TOP, _HEIGHT - _BOTTOM)
    return body


def matrix(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float]],
    *,
    show: Show = _plain,
) -> Markup:
    """A table whose cells are tinted in ten steps by their share of the row, e.g. confusions."""
    head = Markup().join(
        Markup('<th scope="col" title="{0}">{0}</th>').format(name) for name in columns
    )
    body = Markup()
    for name, values in zip(rows, cells, strict=True):
        total = sum(values) or 1
        tds = Markup().join(
            Markup('<td class="number tint-{}">{}</td>').format(
                min(10, round(value / total * 10)), show(value) if value else ""
            )
            for value in values
        )
        body += Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, tds)
    return Markup(
        '<figure class="chart"><figcaption>{0}</figcaption>'
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{0}">'
        '<table class="table matrix"><caption class="visually-hidden">{0}</caption>'
        "<thead><tr><td></td>{1}</tr></thead>"
        "<tbody>{2}</tbody></table></div></figure>"
    ).format(title, head, body)


def sparkline(values: Sequence[float]) -> Markup:
    """A line as small as a word; the number beside it says the rest."""
    low, high = min(values), max(values)
    span = (high - low) or 1
    last = max(1, len(values) - 1)
    points = [(2 + i / last * 96, 22 - (value - low) / span * 20) for i, value in enumerate(values)]
    return Markup(
        '<svg class="sparkline" viewBox="0 0 100 24" width="100" height="24" aria-hidden="true">'
        '<polyline class="line s0" points="{}"/>'
        '<circle class="fill s0" cx="{:.1f}" cy="{:.1f}" r="2"/></svg>'
    ).format(_points(points), *points[-1])
