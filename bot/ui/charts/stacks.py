"""Shares that make up a whole, as one upright bar a label."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bot.ui.charts.drawing import (
    Frame,
    Series,
    Show,
    figure,
    grid,
    numbers_table,
    plain,
    ticks,
    x_labels,
)


def stack(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    show: Show = plain,
    corner: str = "",
    summary: str = "",
) -> Markup:
    """Bars of shares 0..1 that add up to 1, from the bottom in the order of the series.

    The series are steps of one thing: each is a deeper shade than the one below.
    """
    frame = Frame(-0.5, len(labels) - 0.5, 0.0, 1.0)
    body = grid(frame, ticks(0.0, 1.0, 4), show) + x_labels(frame, labels)
    width = (frame.x(1) - frame.x(0)) * 0.72
    for i, label in enumerate(labels):
        base = 0.0
        for index, row in enumerate(series):
            share = row.values[i] or 0.0
            body += Markup(
                '<rect class="step t{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                "<title>{} · {}: {}</title></rect>"
            ).format(
                index, frame.x(i) - width / 2, frame.y(base + share), width,
                frame.y(base) - frame.y(base + share), label, row.name, show(share),
            )  # fmt: skip
            base += share
    keys = Markup().join(
        Markup(
            '<li><svg width="10" height="10" aria-hidden="true">'
            '<rect class="step t{}" width="10" height="10" rx="2"/></svg>{}</li>'
        ).format(index, row.name)
        for index, row in enumerate(series)
    )
    below = Markup('<ul class="legend below">{}</ul>').format(keys)
    table = numbers_table(title, corner, labels, series, show, summary=summary)
    return figure(title, body, below + table)
