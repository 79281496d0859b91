"""How much may be answered without a person, and how often rightly, at every threshold.

Counts rather than curves are kept with a model: of any of them a threshold can be chosen later, for
any promise, for one category or all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.calibration import clopper_pearson_lower

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

GRID: Final = tuple(round(percent / 100, 2) for percent in range(50, 100))
_LEAST: Final = 20  # questions of a category, to say anything of it


class Point(msgspec.Struct, frozen=True):
    """What a threshold does to the questions it was measured on. Shares are 0..1.

    ``precision`` is 1 where nothing is accepted.
    """

    threshold: float
    accepted: int
    right: int
    coverage: float
    precision: float

    @property
    def low(self) -> float:
        """One-sided lower limit of the precision, 90 %; costs a fifth of a millisecond."""
        return clopper_pearson_lower(self.right, self.accepted)


def count_accepted(confidence: Floats, right: Bools, groups: Sequence[str]) -> dict[str, Any]:
    """Counts for JSON: ``rows`` and ``all``, and the same of each group with enough rows.

    Shapes: (n,), (n,), n names -> for each threshold of ``GRID`` accepted and right rows.
    """
    names = np.asarray(groups, dtype=object)
    found: dict[str, Any] = {"rows": len(right), "all": _counts(confidence, right), "groups": {}}
    for name in sorted({name for name in groups if name}):
        own = names == name
        if own.sum() >= _LEAST:
            counts = _counts(confidence[own], right[own])
            found["groups"][name] = {"rows": int(own.sum()), "all": counts}
    return found


def points(counts: Mapping[str, Any]) -> list[Point]:
    """The curve of counts made by ``count_accepted``, thresholds rising."""
    rows = max(int(counts["rows"]), 1)
    return [
        Point(
            threshold,
            accepted,
            right,
            accepted / rows,
            right / accepted if accepted else 1.0,
        )
        for threshold, (accepted, right) in zip(GRID, counts["all"], strict=True)
    ]


def choose(curve: Sequence[Point], promise: float) -> Point | None:
    """The lowest threshold whose precision is surely ``promise``; None where none is.

    Source: lower limit by Clopper and Pearson, as in ``nlp.calibration.threshold_for``.
    """
    # Most points can be passed by without their limit: it lies below the precision, and below what
    # it is where all of so many are right.
    hopeful = (
        point
        for point in curve
        if point.precision >= promise and point.accepted and 0.1 ** (1 / point.accepted) >= promise
    )
    return next((point for point in hopeful if point.low >= promise), None)


def _counts(confidence: Floats, right: Bools) -> list[list[int]]:
    found = []
    for threshold in GRID:
        accepted = confidence >= threshold
        found.append([int(accepted.sum()), int(right[accepted].sum())])
    return found
