"""A chart that is drawn anew while something goes on."""

from __future__ import annotations

from markupsafe import Markup


def live(drawing: Markup, url: str, *, every_s: float = 2.0) -> Markup:
    """``drawing``, which the page fetches again from ``url`` every ``every_s`` seconds.

    The address answers 200 with the fragment to show instead, or 204 once nothing more will come;
    the box then fires ``chart-ended``. An open table stays open; without scripts the first drawing
    stands. Needs ``static/charts.js``.
    """
    return Markup('<div class="chart-live" data-live="{}" data-every-ms="{}">{}</div>').format(
        url, round(every_s * 1000), drawing
    )
