"""Whether a trained bundle may go live by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Cross-validated figures of two trainings differ by chance; more than this is a loss.
TOLERANCE: Final = 0.03
_WATCHED: Final = (
    ("classifier", "accuracy"),
    ("classifier", "macro_f1"),
    ("ranking", "acc_at_1"),
    ("ranking", "mrr"),
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """``passed``, and the reason in words either way."""

    passed: bool
    reason: str


def judge(candidate: Mapping[str, Any], champion: Mapping[str, Any] | None) -> Ruling:
    """Compare cross-validated figures of a new bundle with those of the live one.

    Refused: a part that the champion has is missing, or a watched figure fell by more than
    ``TOLERANCE``. Both dictionaries are the metrics of ``train_bundle``.
    """
    if champion is None:
        return Ruling(True, "There is no live model yet.")
    lost = set(champion.get("trained", ())) - set(candidate.get("trained", ()))
    if lost:
        return Ruling(False, f"The new model lacks: {', '.join(sorted(lost))}.")
    falls = []
    for part, figure in _WATCHED:
        old, new = _figure(champion, part, figure), _figure(candidate, part, figure)
        if old is not None and new is not None and new < old - TOLERANCE:
            falls.append(f"{part} {figure} fell from {old:.3f} to {new:.3f}")
    if falls:
        return Ruling(False, "; ".join(falls) + ".")
    return Ruling(True, "No watched figure fell.")


def _figure(metrics: Mapping[str, Any], part: str, figure: str) -> float | None:
    value = metrics.get(part, {}).get(figure) if isinstance(metrics.get(part), Mapping) else None
    return float(value) if isinstance(value, int | float) else None
