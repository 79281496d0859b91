"""Two models side by side: what was measured of each, and which differences are real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from bot import ui
from bot.learning.gate import Ruling
from bot.store.records import BundleRow

# Metrics by their path in a bundle's row; a share 0..1 is shown in percent.
_MEASURES: Final = (
    "classifier.accuracy",
    "classifier.top3",
    "classifier.macro_f1",
    "classifier.ece",
    "ranking.acc_at_1",
    "ranking.recall_at_5",
    "ranking.mrr",
    "ranking.ece",
    "latency_ms.new",
)
SHARES: Final = frozenset(
    {
        "classifier.accuracy", "classifier.top3", "classifier.macro_f1",
        "ranking.acc_at_1", "ranking.recall_at_5",
    }
)  # fmt: skip
_PAIRED: Final = {"classifier.accuracy": "frozen-categories", "ranking.acc_at_1": "frozen-answers"}


class Paired(msgspec.Struct, frozen=True):
    """Difference on the same frozen rows: its 95 % interval in percentage points."""

    rows: int
    low: float
    high: float

    @property
    def tone(self) -> str:
        """``good`` or ``bad`` where the difference is no chance, else empty."""
        return "good" if self.low > 0 else "bad" if self.high < 0 else ""


class Measure(msgspec.Struct, frozen=True):
    """A figure of both; ``difference`` is the newer minus the older."""

    name: str
    label: str
    one: float | None
    other: float | None
    difference: float | None
    paired: Paired | None


def compared(
    request: web.Request, one: BundleRow | None, other: BundleRow | None, *, newer: BundleRow | None
) -> list[Measure]:
    """What was measured of ``one``, ``other`` or both, the differences seen from ``newer``."""
    rows = []
    older = one if newer is other else other
    sign = -1.0 if newer is one else 1.0
    for name in _MEASURES:
        first, second = _figure(one, name), _figure(other, name)
        if first is None and second is None:
            continue
        difference = None
        if first is not None and second is not None:
            difference = sign * (second - first)
        label = ui.translate(request, f"panel.measure.{name}")
        rows.append(Measure(name, label, first, second, difference, _paired(name, newer, older)))
    return rows


def _paired(name: str, newer: BundleRow | None, older: BundleRow | None) -> Paired | None:
    """What the ruling of either found against the other, seen from ``newer``."""
    if newer is None or older is None or name not in _PAIRED:
        return None
    found = _interval(newer, older, _PAIRED[name])
    if found is not None:
        return found
    found = _interval(older, newer, _PAIRED[name])
    return Paired(found.rows, -found.high, -found.low) if found is not None else None


def _interval(judged: BundleRow, against: BundleRow, check_name: str) -> Paired | None:
    ruling = Ruling.of_metrics(judged.metrics)
    if ruling is None or ruling.against != against.version:
        return None
    check = next((check for check in ruling.checks if check.name == check_name), None)
    if check is None:
        return None
    params = check.params
    return Paired(int(params["rows"]), float(params["low"]), float(params["high"]))


def _figure(row: BundleRow | None, path: str) -> float | None:
    value: Any = row.metrics if row is not None else None
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
