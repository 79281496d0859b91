"""Figures of an evaluation: calibration with its uncertainty, abstention, ranks, times.

Shares are 0..1, times are milliseconds. What cannot be judged is None and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

BINS: Final = 15
_ROUNDS: Final = 200
CHOSEN: Final = ("kept", "tried")
_DIGITS: Final = 4


def debiased_ece(confidence: Floats, right: Bools, bins: int = BINS) -> float:
    """Mean gap of confidence and precision over bins of equal size, less what chance adds.

    A bin of few predictions shows a gap even where there is none. With ``g`` the observed gap and
    ``s`` the standard error of the bin's precision, chance adds about E|N(g, s)| - |g|, which is
    subtracted once; the sum is not below 0.

    Source: equal mass, Roelofs et al., Mitigating bias in calibration error estimation, AISTATS
    2022; the correction, Kumar et al., Verified uncertainty calibration, NeurIPS 2019, appendix,
    with the mean of the folded normal distribution in place of sampling.
    """
    if not len(confidence):
        return 0.0
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        share = float(right[part].mean())
        gap = abs(float(confidence[part].mean()) - share)
        error = math.sqrt(share * (1 - share) / len(part))
        total += len(part) * (2 * gap - _folded_mean(gap, error))
    return max(0.0, total / len(order))


def _folded_mean(mean: float, deviation: float) -> float:
    """E|X| of a normal X."""
    if deviation <= 0:
        return abs(mean)
    ratio = mean / deviation
    peak = deviation * math.sqrt(2 / math.pi) * math.exp(-ratio * ratio / 2)
    return peak + mean * math.erf(ratio / math.sqrt(2))


def ece_interval(confidence: Floats, right: Bools, *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of ``debiased_ece`` around the estimate itself.

    A resample is noisier than the sample, so its errors lie higher; their spread is taken and
    their level is not.
    """
    if not len(confidence):
        return 0.0, 0.0
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(_ROUNDS):
        rows = generator.integers(0, len(confidence), len(confidence))
        drawn.append(debiased_ece(confidence[rows], right[rows]))
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975]).tolist()
    found = debiased_ece(confidence, right)
    return max(0.0, found - (middle - low)), found + (high - middle)


def calibration_figures(confidence: Floats, right: Bools) -> dict[str, float]:
    """``ece`` with ``ece_low`` and ``ece_high``."""
    low, high = ece_interval(confidence, right)
    return {"ece": debiased_ece(confidence, right), "ece_low": low, "ece_high": high}


def recall_at_rejected(own: Floats, foreign: Floats, share: float = 0.05) -> float | None:
    """Share of foreign scores above a limit that ``share`` of the own ones exceed at most.

    Larger scores are more foreign; one of equal scores is never above the other.
    """
    if not len(own) or not len(foreign):
        return None
    limit = float(np.quantile(own, 1 - share, method="higher"))
    return float((foreign > limit).mean())


def acceptance(accepted: Bools, right: Bools) -> tuple[float | None, float | None]:
    """Coverage, and the precision among what was accepted (None where nothing was)."""
    if not len(accepted):
        return None, None
    taken = int(accepted.sum())
    return float(accepted.mean()), float(right[accepted].mean()) if taken else None


def rank_figures(ranks: Sequence[int | None]) -> dict[str, float | None]:
    """``acc_at_1``, ``recall_at_5``, ``recall_at_10`` and ``mrr``.

    Args:
        ranks: place of the first right answer from 1, None where it was not found.
    """
    if not ranks:
        return dict.fromkeys(("acc_at_1", "recall_at_5", "recall_at_10", "mrr"))
    places = np.asarray([math.inf if rank is None else rank for rank in ranks])
    return {
        "acc_at_1": float((places <= 1).mean()),
        "recall_at_5": float((places <= 5).mean()),
        "recall_at_10": float((places <= 10).mean()),
        "mrr": float((1.0 / places).mean()),
    }


def latency(times_ms: Sequence[float]) -> dict[str, float | None]:
    """``p50`` and ``p99`` of single calls."""
    if not times_ms:
        return {"p50": None, "p99": None}
    half, last = np.quantile(np.asarray(times_ms), [0.5, 0.99]).tolist()
    return {"p50": round(half, 3), "p99": round(last, 3)}


def rounded(value: Any) -> Any:
    """Floats to four digits, in nested mappings and lists too."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return value


def median_of(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of every number; None where a run has none; texts as in the first run.

    What ``auto`` chose and from what is a matter of each run and left out.
    """
    return {key: _middle([run.get(key) for run in runs]) for key in runs[0] if key not in CHOSEN}


def _middle(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Mapping):
        return median_of(values)
    if any(value is None for value in values):
        return None
    if isinstance(first, int):
        return int(median(values))
    if isinstance(first, float):
        return rounded(median(values))
    return first
