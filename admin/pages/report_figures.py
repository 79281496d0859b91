"""Figures of the reports from the desk's rows: shares, waits, counts. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, tzinfo
from math import ceil

import msgspec

from bot.store.desk_activity import Judged, Load, Talk

RANKS = 5
_TAKEN = frozenset({"accepted", "edited"})


class Line(msgspec.Struct, frozen=True):
    """Figures of one part of the desk; None where there is nothing to measure.

    Attributes:
        talks: conversations that began.
        median_s, p90_s: to the first answer.
        bot_share: share 0..1 of the conversations that the bot answered alone.
        shown: verdicts on first suggestions.
        taken: share 0..1 of them that were accepted or edited.
        edits: characters changed in an edited suggestion, median.
    """

    name: str
    talks: int
    median_s: float | None
    p90_s: float | None
    bot_share: float | None
    shown: int
    taken: float | None
    edits: float | None


def line(name: str, talks: Sequence[Talk], judged: Sequence[Judged]) -> Line:
    """The figures of these rows."""
    waits = [talk.wait_s for talk in talks if talk.wait_s is not None]
    edited = [row.edit_distance for row in judged if row.verdict == "edited"
              for _ in range(row.count)]  # fmt: skip
    first = [row for row in judged if row.rank == 1]
    return Line(
        name=name,
        talks=len(talks),
        median_s=percentile(waits, 0.5),
        p90_s=percentile(waits, 0.9),
        bot_share=sum(talk.bot_alone for talk in talks) / len(talks) if talks else None,
        shown=sum(row.count for row in first),
        taken=taken_share(first),
        edits=percentile(edited, 0.5),
    )


def lines_by(
    talks: Sequence[Talk], judged: Sequence[Judged], by: str, names: Callable[[str], str]
) -> list[Line]:
    """One line for each category, channel or agent, busiest first."""
    grouped: dict[str, tuple[list[Talk], list[Judged]]] = defaultdict(lambda: ([], []))
    for talk in talks:
        for key in talk.agents if by == "agent" else (getattr(talk, by),):
            grouped[str(key)][0].append(talk)
    for row in judged:
        key = row.agent_id if by == "agent" else getattr(row, by)
        if key is not None:
            grouped[str(key)][1].append(row)
    found = [line(names(key), *rows) for key, rows in grouped.items()]
    return sorted(found, key=lambda one: (-one.talks, -one.shown, one.name))


def taken_share(judged: Iterable[Judged], verdicts: frozenset[str] = _TAKEN) -> float | None:
    """Share 0..1 of these verdicts among all; None without any."""
    total = taken = 0
    for row in judged:
        total += row.count
        taken += row.count * (row.verdict in verdicts)
    return taken / total if total else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of all do not exceed; None without any.

    Source: R. Hyndman and Y. Fan, Sample quantiles in statistical packages, 1996, type 1.
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def calendar(now: float, days: int, zone: tzinfo) -> list[date]:
    """The last ``days`` days where the person is, today included."""
    today = datetime.fromtimestamp(now, zone).date()
    return [today - timedelta(days=back) for back in range(days - 1, -1, -1)]


def begin_of(day: date, zone: tzinfo) -> float:
    """Epoch seconds of midnight there."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def by_day(load: Iterable[Load], days: Sequence[date], zone: tzinfo) -> list[tuple[int, int]]:
    """Customers' messages and replies of each day."""
    counts = {day: [0, 0] for day in days}
    for row in load:
        there = counts.get(datetime.fromtimestamp(row.at, zone).date())
        if there is not None:
            there[0] += row.customers
            there[1] += row.replies
    return [(customers, replies) for customers, replies in counts.values()]


def by_hour(load: Iterable[Load], days: int, zone: tzinfo) -> list[float]:
    """Customers' messages in each hour of a mean day, 24 numbers."""
    hours = [0] * 24
    for row in load:
        hours[datetime.fromtimestamp(row.at, zone).hour] += row.customers
    return [count / days for count in hours]


def daily(
    days: Sequence[date],
    zone: tzinfo,
    talks: Iterable[Talk],
    judged: Iterable[Judged],
) -> list[Line]:
    """A line for each day, for the small curves."""
    grouped: dict[date, tuple[list[Talk], list[Judged]]] = {day: ([], []) for day in days}
    for talk in talks:
        there = grouped.get(datetime.fromtimestamp(talk.created_at, zone).date())
        if there is not None:
            there[0].append(talk)
    for row in judged:
        there = grouped.get(datetime.fromtimestamp(row.at, zone).date())
        if there is not None:
            there[1].append(row)
    return [line(day.isoformat(), *rows) for day, rows in grouped.items()]


def rank_shares(judged: Sequence[Judged]) -> list[tuple[float | None, float | None]]:
    """Share accepted as it was and share edited, of the suggestions at each place."""
    return [
        (
            taken_share([row for row in judged if row.rank == rank], frozenset({"accepted"})),
            taken_share([row for row in judged if row.rank == rank], frozenset({"edited"})),
        )
        for rank in range(1, RANKS + 1)
    ]
