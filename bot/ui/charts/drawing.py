"""What all charts are made of: scales, grid, figure, and the numbers as a table beneath."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import floor, isfinite, log10

import msgspec
from markupsafe import Markup

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 16, 44

Show = Callable[[float], str]
_NONE = Markup()


class Series(msgspec.Struct, frozen=True):
    """One named row of numbers; ``show`` writes them where they differ from the others' kind."""

    name: str
    values: Sequence[float | None]
    show: Show | None = None


def plain(value: float) -> str:
    """Four digits, whatever the size."""
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


def distinct_ticks(low: float, high: float, show: Show) -> list[float]:
    """Round values that cover ``low``..``high``, few enough that ``show`` tells them apart."""
    for wanted in (4, 3, 2):
        marks = ticks(low, high, wanted)
        if len({show(mark) for mark in marks}) == len(marks):
            return marks
    return ticks(low, high, 1)


class Frame(msgspec.Struct, frozen=True):
    """Linear scales from data to drawing units."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Drawing units from the left."""
        share = (value - self.x_low) / ((self.x_high - self.x_low) or 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Drawing units from the top."""
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def points_of(pairs: Iterable[tuple[float, float]]) -> str:
    """The ``points`` of a polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def text_at(x: float, y: float, text: str, kind: str) -> Markup:
    """A text; ``kind`` is its class: ``tick``, ``axis``, with ``end`` or ``middle``."""
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, kind, text)


def grid(frame: Frame, marks: Sequence[float], show: Show) -> Markup:
    """Level lines with their numbers at the left."""
    lines = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
            LEFT, WIDTH - RIGHT, frame.y(mark), frame.y(mark)
        )
        + text_at(LEFT - 8, frame.y(mark) + 4, show(mark), "tick end")
        for mark in marks
    ]
    return Markup().join(lines)


def number_axis(frame: Frame, marks: Sequence[float], show: Show, names: tuple[str, str]) -> Markup:
    """Numbers under a chart whose x is a number, and the names of both axes."""
    shown = Markup().join(
        text_at(frame.x(mark), HEIGHT - 24, show(mark), f"tick middle{' minor' if i % 2 else ''}")
        for i, mark in enumerate(marks)
    )
    return (
        shown
        + text_at(WIDTH - RIGHT, HEIGHT - 4, names[0], "axis end")
        + text_at(LEFT, 10, names[1], "axis")
    )


def dot(index: int, x: float, y: float, title: str = "") -> Markup:
    """A point of series ``index``; ``title`` shows under the pointer."""
    return Markup('<circle class="fill s{}" cx="{:.1f}" cy="{:.1f}" r="3">{}</circle>').format(
        index, x, y, Markup("<title>{}</title>").format(title) if title else ""
    )


def figure(
    title: str,
    body: Markup,
    below: Markup,
    legend: Sequence[str] = (),
    attributes: Markup = _NONE,
) -> Markup:
    """The whole: caption, legend where there are several series, drawing, what stands below."""
    keys = Markup().join(
        Markup(
            '<li><svg width="10" height="10" aria-hidden="true">'
            '<rect class="fill s{}" width="10" height="10" rx="2"/></svg>{}</li>'
        ).format(i, name)
        for i, name in enumerate(legend)
    )
    shown = Markup('<ul class="legend">{}</ul>').format(keys) if len(legend) > 1 else ""
    return Markup(
        '<figure class="chart"{}><figcaption>{}</figcaption>{}'
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>{}</figure>'
    ).format(attributes, title, shown, WIDTH, HEIGHT, title, title, body, below)


def numbers_table(
    title: str,
    corner: str,
    labels: Sequence[str],
    series: Sequence[Series],
    show: Show,
    *,
    summary: str = "",
) -> Markup:
    """The numbers of a chart, folded until somebody asks; ``summary`` names the fold."""
    head = Markup().join(Markup('<th scope="col">{}</th>').format(row.name) for row in series)
    rows = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, Markup().join(_cell(row.values[i], row.show or show) for row in series)
        )
        for i, label in enumerate(labels)
    )
    return folded_table(title, Markup('<th scope="col">{}</th>{}').format(corner, head), rows,
                        summary or corner or title)  # fmt: skip


def folded_table(title: str, head: Markup, rows: Markup, summary: str) -> Markup:
    """A table behind ``summary``, whose name for screen readers is the chart's title."""
    return Markup(
        '<details class="chart-table"><summary>{}</summary>'
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{}">'
        '<table class="table"><caption class="visually-hidden">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div></details>"
    ).format(summary, title, title, head, rows)


def _cell(value: float | None, show: Show) -> Markup:
    shown = "" if value is None or not isfinite(value) else show(value)
    return Markup('<td class="number">{}</td>').format(shown)


def x_labels(frame: Frame, labels: Sequence[str]) -> Markup:
    """At most eight of the labels under the drawing; every other gives way on a phone."""
    every = max(1, -(-len(labels) // 8))
    return Markup().join(
        text_at(
            frame.x(i),
            HEIGHT - 18,
            label,
            f"tick middle{' minor' if (i // every) % 2 else ''}",
        )
        for i, label in enumerate(labels)
        if i % every == 0
    )


def bounds(series: Sequence[Series]) -> tuple[float, float]:
    """Least and greatest value, with 0 always inside."""
    values = [v for row in series for v in row.values if v is not None and isfinite(v)]
    return min([0.0, *values]), max(values, default=1.0)


def runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches of values without a gap, each with its places."""
    found: list[list[tuple[int, float]]] = [[]]
    for i, value in enumerate(values):
        if value is not None and isfinite(value):
            found[-1].append((i, value))
        elif found[-1]:
            found.append([])
    return [run for run in found if run]
