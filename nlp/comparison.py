"""Whether a difference between two predictors is real: paired tests, intervals, a sequential test.

Everything is exact or deterministic; shares are 0..1 and levels are two-sided unless a name says
otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.metrics import expected_calibration_error

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]

_Z95: Final = 1.959964
_DRAWS: Final = 400


class Difference(msgspec.Struct, frozen=True):
    """New minus old as a share, with a 95 % interval and what it was counted from.

    Attributes:
        gained: rows that the new one alone has right, ``lost``: the old one alone.
        p_worse: chance of so many losses among the discordant rows, were both equally good.
    """

    value: float
    low: float
    high: float
    rows: int
    gained: int
    lost: int
    p_worse: float


def paired_difference(new: Bools, old: Bools) -> Difference:
    """How much better ``new`` is on the same rows. Shapes: (n,), (n,).

    Source: McNemar, Psychometrika 1947, exact (one-sided binomial); interval: Agresti and Min,
    Statistics in Medicine 2005 (half a row added to each of the four cells).
    """
    rows = len(new)
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    size, up, down = rows + 2, gained + 0.5, lost + 0.5
    centre = (up - down) / size
    spread = math.sqrt(max(up + down - (up - down) ** 2 / size, 0.0)) / size
    return Difference(
        value=(gained - lost) / rows if rows else 0.0,
        low=max(centre - _Z95 * spread, -1.0),
        high=min(centre + _Z95 * spread, 1.0),
        rows=rows,
        gained=gained,
        lost=lost,
        p_worse=binomial_tail(lost, gained + lost, 0.5),
    )


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95 % interval of a share, 0..1; everything is possible where there are no rows.

    Source: Wilson, Probable inference, the law of succession and statistical inference, JASA 1927.
    """
    if not rows:
        return 0.0, 1.0
    share, z2 = hits / rows, _Z95**2
    centre = share + z2 / (2 * rows)
    spread = _Z95 * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    size = 1 + z2 / rows
    return max(0.0, (centre - spread) / size), min(1.0, (centre + spread) / size)


class ShareChange(msgspec.Struct, frozen=True):
    """Change of a share between two samples of different rows, with a 95 % interval."""

    value: float
    low: float
    high: float


def share_change(new: float, new_rows: int, old: float, old_rows: int) -> ShareChange:
    """New minus old share, each of its own rows.

    Source: Agresti and Caffo, The American Statistician 2000 (one success and one failure added to
    each sample).
    """
    shares = [(share * rows + 1) / (rows + 2) for share, rows in ((new, new_rows), (old, old_rows))]
    variance = sum(
        share * (1 - share) / (rows + 2)
        for share, rows in zip(shares, (new_rows, old_rows), strict=True)
    )
    centre, reach = shares[0] - shares[1], _Z95 * math.sqrt(variance)
    return ShareChange(new - old, centre - reach, centre + reach)


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """Probability of so many successes or more; 1 for none of none."""
    if successes <= 0:
        return 1.0
    if share <= 0.0:
        return 0.0
    if share >= 1.0:
        return 1.0
    k = np.arange(successes, trials + 1, dtype=np.float64)
    if not len(k):
        return 0.0
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    chosen = k.astype(np.int64)
    ways = log_factorial[trials] - log_factorial[chosen] - log_factorial[trials - chosen]
    terms = ways + k * math.log(share) + (trials - k) * math.log1p(-share)
    return min(float(np.exp(terms).sum()), 1.0)


def calibration_by_chance(confidence: Floats, *, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated model exceeds in 5 % of such samples.

    Source: Broecker and Smith, Weather and Forecasting 2007 (consistency resampling).
    """
    if not len(confidence):
        return 0.0
    rng = np.random.default_rng(seed)
    errors = [
        expected_calibration_error(confidence, rng.random(len(confidence)) < confidence)
        for _ in range(_DRAWS)
    ]
    return float(np.quantile(errors, 0.95))


class Betting(msgspec.Struct, frozen=True):
    """State of a sequential test after some discordant pairs.

    Attributes:
        e_value: now; ``best``: the highest so far. The difference is real from ``1 / alpha`` on:
            were there none, that would ever happen with probability alpha at most, however often
            one looks.
        wins: discordant pairs that the challenger alone had right, ``losses``: the champion alone.
    """

    e_value: float
    best: float
    wins: int
    losses: int


def betting(outcomes: Sequence[bool]) -> Betting:
    """Evidence against "both win equally often" from the discordant pairs in their order.

    The e-value is the likelihood of the outcomes with the share of wins drawn from 0..1, over that
    with a half: ``2^n * wins! * losses! / (n + 1)!``, a martingale if there is no difference.

    Source: Ville, Etude critique de la notion de collectif, 1939; Robbins, Annals of Mathematical
    Statistics 1970; Ramdas et al., Statistical Science 2023, section 3.
    """
    wins = losses = 0
    now = best = 0.0  # logarithms
    for won in outcomes:
        wins, losses = wins + won, losses + (not won)
        n = wins + losses
        now = n * math.log(2) + math.lgamma(wins + 1) + math.lgamma(losses + 1) - math.lgamma(n + 2)
        best = max(best, now)
    most = 700.0  # beyond, a float cannot say
    return Betting(math.exp(min(now, most)), math.exp(min(best, most)), wins, losses)
