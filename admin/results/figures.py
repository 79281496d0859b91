"""One line of the table: what is read from which reports, and what it is held against.

Reports are the JSON of ``neurobot evaluate`` and ``neurobot bench``, by the name of their run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

Reports = Mapping[str, Mapping[str, Any]]
Reading = Callable[[Reports], float | None]

_SHARE: Final = "share"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its bounds.

    Attributes:
        what: in words.
        runs: names of the reports that it is read from.
        ours: the number; None where a report does not have it.
        peer: the best of what one would take instead in the same runs, if there is any.
        floor: what must hold.
        goal: what was hoped for; None where floor is all.
        kind: ``share`` (0..1), or the unit of the number.
        at_most: the number must not be above its bounds, else not below.
    """

    what: str
    runs: Sequence[str]
    ours: Reading
    floor: float
    goal: float | None = None
    peer: Reading | None = None
    kind: str = _SHARE
    at_most: bool = False

    def holds(self, value: float | None, bound: float | None) -> bool | None:
        """Whether a value keeps a bound; None where there is nothing to say."""
        if value is None or bound is None:
            return None
        return value <= bound if self.at_most else value >= bound

    def shown(self, value: float | None) -> str:
        """The number as it stands in the table."""
        if value is None:
            return "-"
        if self.kind == _SHARE:
            text = f"{value:.3f}"
            return text.replace("0.", ".", 1) if abs(value) < 1 else text
        return f"{value:.2f} {self.kind}" if abs(value) < 10 else f"{value:.0f} {self.kind}"


def at(report: Mapping[str, Any], path: str) -> float | None:
    """The number under a slash-separated path, None where a part of it is missing."""
    found: Any = report
    for key in path.split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else float(found)


def ours(path: str, *runs: str) -> Reading:
    """Mean over runs of a value under ``ours``."""
    return lambda reports: _mean([at(reports[run]["ours"], path) for run in runs])


def pooled(path: str, *runs: str) -> Reading:
    """The same, each run weighing as much as it has judged questions."""

    def read(reports: Reports) -> float | None:
        sizes = [int(reports[run]["data"]["judged"]) for run in runs]
        values = [at(reports[run]["ours"], path) for run in runs]
        known = [value for value in values if value is not None]
        return fmean(known, weights=sizes) if len(known) == len(runs) else None

    return read


def best_peer(path: str, *runs: str) -> Reading:
    """The peer with the highest mean over runs."""

    def read(reports: Reports) -> float | None:
        names = set.intersection(*(set(reports[run]["peers"]) for run in runs))
        means = [_mean([at(reports[run]["peers"][name], path) for run in runs]) for name in names]
        return max((mean for mean in means if mean is not None), default=None)

    return read


def share_of(path: str, whole: str, *runs: str) -> Reading:
    """The least over runs of one value divided by another."""

    def read(reports: Reports) -> float | None:
        pairs = [(at(reports[r]["ours"], path), at(reports[r]["ours"], whole)) for r in runs]
        shares = [part / base for part, base in pairs if part is not None and base]
        return min(shares) if len(shares) == len(runs) else None

    return read


def lead(path: str, peer: str, *runs: str) -> Reading:
    """Mean over runs of ours less a peer's."""

    def read(reports: Reports) -> float | None:
        mine = _mean([at(reports[run]["ours"], path) for run in runs])
        theirs = _mean([at(reports[run]["peers"][peer], path) for run in runs])
        return None if mine is None or theirs is None else mine - theirs

    return read


def lead_over_singles(*runs: str, mean_of: Sequence[str] = ()) -> Reading:
    """The least lead of the whole ranker over its best single one, among corpora.

    Each of ``runs`` is a corpus; those of ``mean_of`` are the folds of one more.
    """

    def read(reports: Reports) -> float | None:
        leads = []
        for corpus in [*((run,) for run in runs), *((tuple(mean_of),) if mean_of else ())]:
            parts = [reports[run]["ours"] for run in corpus]
            singles = [
                fmean(part["rankers"][name]["acc_at_1"] for part in parts)
                for name in parts[0]["rankers"]
            ]
            leads.append(fmean(part["acc_at_1"] for part in parts) - max(singles))
        return float(min(leads))

    return read


def promises_kept(*runs: str) -> Reading:
    """Share of promised precisions (.90, .95, .98) that held, of those that anything passed."""

    def read(reports: Reports) -> float | None:
        reached = [
            (promise, at(reports[run]["ours"], f"precision_at_{promise}"))
            for run in runs
            for promise in (90, 95, 98)
        ]
        kept = [found >= promise / 100 for promise, found in reached if found is not None]
        return fmean(kept) if kept else None

    return read


def value(path: str, run: str) -> Reading:
    """A value anywhere in a report."""
    return lambda reports: at(reports[run], path)


def total(path: str, *runs: str) -> Reading:
    """Sum over runs of a value anywhere in their reports."""

    def read(reports: Reports) -> float | None:
        mean = _mean([at(reports[run], path) for run in runs])
        return None if mean is None else mean * len(runs)

    return read


def curve_at(past: float, key: str, *runs: str, retrained: bool) -> Reading:
    """Mean over all teams of the point with the number of past questions nearest to ``past``.

    Of several points as near the last one counts: the one after the training.
    """

    def read(reports: Reports) -> float | None:
        teams = [team for run in runs for team in reports[run]["runs"]]
        curves = [team["curve"] for team in teams if bool(team["retrain"]) == retrained]
        nearest = [
            min(curve[::-1], key=lambda point: abs(point["past"] - past)) for curve in curves
        ]
        return fmean(point[key] for point in nearest) if nearest else None

    return read


def row(path: str, run: str, n: int) -> Reading:
    """A value of the row for ``n`` in a bench."""

    def read(reports: Reports) -> float | None:
        found = [one for one in reports[run]["results"] if one["n"] == n]
        return at(found[0], path) if found else None

    return read


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
