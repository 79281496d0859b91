"""The server's time of day goes on evenly until it is told to follow."""

from __future__ import annotations

import pytest

from bot.clock import SteadyClock


class Hands:
    """A clock that a test turns."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_it_goes_on_evenly_and_follows_when_told() -> None:
    wall, elapsed = Hands(1_800_000_000.0), Hands(50.0)
    clock = SteadyClock(wall, elapsed)
    assert clock() == wall()
    wall.now += 10
    elapsed.now += 10
    assert clock() == wall()
    assert clock.ahead_s() == 0
    wall.now -= 3600  # somebody set it back
    elapsed.now += 1
    wall.now += 1
    assert clock() == 1_800_000_011.0
    assert clock.ahead_s() == -3600
    clock.follow(clock.ahead_s())
    assert clock() == wall()


def test_it_begins_with_the_machines_time() -> None:
    clock = SteadyClock()
    assert clock.ahead_s() == pytest.approx(0, abs=0.5)
