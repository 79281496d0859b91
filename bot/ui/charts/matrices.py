"""Tables whose cells are tinted by what they hold: any matrix, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bot.ui.charts.drawing import Show, plain


def matrix(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Sequence[float]],
    *,
    show: Show = plain,
    names: tuple[str, str] = ("", ""),
    diagonal: bool = False,
) -> Markup:
    """A table whose cells are tinted in ten steps by their share of the row.

    Args:
        title: caption.
        rows: labels of the rows.
        columns: labels of the columns.
        cells: one row of numbers for each of ``rows``.
        show: writes a number; zeros stay empty.
        names: of what stands in rows and in columns.
        diagonal: cells off the diagonal are errors and take the colour of one.
    """
    head = Markup().join(
        Markup('<th scope="col" title="{0}"><span>{0}</span></th>').format(name) for name in columns
    )
    body = Markup()
    for place, (name, values) in enumerate(zip(rows, cells, strict=True)):
        total = sum(values) or 1
        tds = Markup().join(
            Markup('<td class="number {}-{}" title="{}">{}</td>').format(
                "miss" if diagonal and column != place else "tint",
                min(10, round(value / total * 10)) or (1 if diagonal and value else 0),
                f"{name} → {columns[column]}: {show(value)}" if value else "",
                show(value) if value else "",
            )
            for column, value in enumerate(values)
        )
        body += Markup('<tr><th scope="row" title="{0}">{0}</th>{1}</tr>').format(name, tds)
    corner = f"{names[0]} ↓ {names[1]} →" if any(names) else ""
    return Markup(
        '<figure class="chart"><figcaption>{0}</figcaption>'
        '<div class="table-wrap" tabindex="0" role="region" aria-label="{0}">'
        '<table class="table matrix{3}"><caption class="visually-hidden">{0}</caption>'
        '<thead><tr><td class="corner">{4}</td>{1}</tr></thead>'
        "<tbody>{2}</tbody></table></div></figure>"
    ).format(title, head, body, " upright" if len(columns) > 6 else "", corner)


def confusion(
    title: str,
    labels: Sequence[str],
    counts: Sequence[Sequence[float]],
    *,
    names: tuple[str, str],
    rest: str,
    limit: int = 12,
    show: Show = plain,
) -> Markup:
    """What was taken for what: the ``limit`` labels with most errors, all others as ``rest``.

    Args:
        title: caption.
        labels: of rows and columns.
        counts: ``counts[i][j]`` rows of label i were predicted as label j.
        names: of what is true and what was predicted.
        rest: label of everything that is not shown by itself.
        limit: labels shown by themselves.
        show: writes a count.
    """
    if len(labels) <= limit:
        return matrix(title, labels, labels, counts, show=show, names=names, diagonal=True)
    size = range(len(labels))
    errors = [
        sum(counts[i]) - counts[i][i] + sum(counts[j][i] for j in size if j != i) for i in size
    ]
    kept = sorted(sorted(size, key=lambda i: (-errors[i], i))[:limit])
    place = {label: at for at, label in enumerate(kept)}
    cells = [[0.0] * (limit + 1) for _ in range(limit + 1)]
    for i in size:
        for j in size:
            cells[place.get(i, limit)][place.get(j, limit)] += counts[i][j]
    shown = [*(labels[i] for i in kept), rest]
    return matrix(title, shown, shown, cells, show=show, names=names, diagonal=True)


def mixed_up(
    labels: Sequence[str], counts: Sequence[Sequence[float]], limit: int = 10
) -> list[tuple[str, str, float]]:
    """The most frequent errors as (true label, predicted label, how often)."""
    pairs = [
        (name, labels[j], count)
        for i, name in enumerate(labels)
        for j, count in enumerate(counts[i])
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:limit]
