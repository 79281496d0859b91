"""What acting on flags brings: two groups compared, and how many that takes."""

from __future__ import annotations

from math import ceil, sqrt
from statistics import NormalDist
from typing import Final

import msgspec

LEVEL: Final = 0.95
POWER: Final = 0.8


class Lift(msgspec.Struct, frozen=True):
    """Shares that came true with acting and without, and their difference with its interval."""

    acted: float
    left_alone: float
    difference: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether chance alone is an unlikely reason: the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def lift(acted: tuple[int, int], left_alone: tuple[int, int]) -> Lift | None:
    """Compare (came true, judged) of both groups; None while one of them is empty.

    Source: Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 1998, method 10 (Wilson limits).
    """
    if not acted[1] or not left_alone[1]:
        return None
    first, second = acted[0] / acted[1], left_alone[0] / left_alone[1]
    (low1, high1), (low2, high2) = _wilson(*acted), _wilson(*left_alone)
    difference = first - second
    return Lift(
        acted=first,
        left_alone=second,
        difference=difference,
        low=difference - sqrt((first - low1) ** 2 + (high2 - second) ** 2),
        high=difference + sqrt((high1 - first) ** 2 + (second - low2) ** 2),
    )


def needed(base: float, relative: float, *, level: float = LEVEL, power: float = POWER) -> int:
    """How many subjects each of two equal groups needs to show a relative change of ``base``.

    Args:
        base: share 0..1 without acting.
        relative: the change, e.g. 0.03 for 3 % of ``base``.
        level: certainty, two-sided.
        power: chance to find the change where it is real.

    Raises:
        ValueError: one of the shares is not between 0 and 1, or they are equal.

    Source: Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions, 2003, formula 4.14.
    """
    other = base * (1 + relative)
    if not (0 < base < 1 and 0 < other < 1) or base == other:
        raise ValueError("Both shares must be between 0 and 1, and differ.")
    mean = (base + other) / 2
    chance = NormalDist().inv_cdf(1 - (1 - level) / 2) * sqrt(2 * mean * (1 - mean))
    found = NormalDist().inv_cdf(power) * sqrt(base * (1 - base) + other * (1 - other))
    return ceil(((chance + found) / (base - other)) ** 2)


def _wilson(hits: int, rows: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2)
    share, spread = hits / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / rows + spread / (4 * rows)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
