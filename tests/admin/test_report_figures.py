"""Shares, waits and days of the reports."""

from __future__ import annotations

from datetime import UTC, date
from zoneinfo import ZoneInfo

import pytest

from admin.pages import report_figures as figures
from bot.store.desk_activity import Judged, Load, Talk

MOSCOW = ZoneInfo("Europe/Moscow")


def judged(rank: int, verdict: str, count: int = 1, **more) -> Judged:
    row = {"at": 0.0, "agent_id": 1, "category": "a", "channel": "web", "edit_distance": 0, **more}
    return Judged(rank=rank, verdict=verdict, count=count, **row)


def talk(wait_s: float | None = 10.0, *, bot: bool = False, **more) -> Talk:
    row = {"created_at": 0.0, "category": "a", "channel": "web", "agents": (1,), **more}
    return Talk(wait_s=wait_s, bot_alone=bot, **row)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3], 0.9, 3), ([1, 2, 3, 4], 0.5, 2), (range(1, 11), 0.9, 9),
     (range(1, 12), 0.9, 10), ([5, 1], 0.0, 1), ([5, 1], 1.0, 5)],
)  # fmt: skip
def test_percentiles(values, share: float, expected: float | None) -> None:
    assert figures.percentile(values, share) == expected


def test_a_line_counts_the_first_suggestion_and_the_edits_of_all() -> None:
    rows = [
        judged(1, "accepted", 3),
        judged(1, "edited", 1, edit_distance=40),
        judged(1, "rejected", 4),
        judged(2, "edited", 2, edit_distance=8),
        judged(2, "ignored", 9),
    ]
    talks = [talk(10), talk(30), talk(None), talk(20, bot=True)]
    found = figures.line("x", talks, rows)
    assert (found.talks, found.shown, found.taken) == (4, 8, 0.5)
    assert (found.median_s, found.p90_s, found.bot_share, found.edits) == (20, 30, 0.25, 8)


def test_nothing_measured_is_none_not_zero() -> None:
    found = figures.line("x", [], [])
    assert (found.median_s, found.bot_share, found.taken, found.edits) == (None, None, None, None)


def test_lines_by_agent_count_a_conversation_for_each_who_answered() -> None:
    talks = [talk(agents=(1, 2)), talk(agents=(2,)), talk(agents=())]
    rows = [judged(1, "accepted", agent_id=1), judged(1, "rejected", agent_id=None)]
    names = {"1": "Anna", "2": "Boris"}
    lines = figures.lines_by(talks, rows, "agent", names.__getitem__)
    assert [(one.name, one.talks, one.taken) for one in lines] == [
        ("Boris", 2, None),
        ("Anna", 1, 1.0),
    ]


def test_ranks_tell_accepted_from_edited() -> None:
    rows = [judged(1, "accepted", 3), judged(1, "edited", 1), judged(3, "rejected", 2)]
    shares = figures.rank_shares(rows)
    assert shares[0] == (0.75, 0.25)
    assert shares[1] == (None, None)
    assert shares[2] == (0.0, 0.0)


def test_days_and_hours_are_those_of_the_person() -> None:
    late = 1_790_020_800.0  # 2026-09-21 20:00 UTC, 23:00 in Moscow
    load = [Load(late, 2, 1), Load(late + 3600, 5, 0), Load(0.0, 9, 9)]
    days = [date(2026, 9, 21), date(2026, 9, 22)]
    assert figures.by_day(load, days, UTC) == [(7, 1), (0, 0)]
    assert figures.by_day(load, days, MOSCOW) == [(2, 1), (5, 0)]
    hours = figures.by_hour(load[:2], 2, MOSCOW)
    assert (hours[23], hours[0], sum(hours)) == (1.0, 2.5, 3.5)
    assert figures.calendar(late + 3600, 2, MOSCOW) == days
    assert figures.begin_of(days[1], MOSCOW) == late + 3600
