"""Rows of a comparison: times better than a peer or a bound, and whether that is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FAILED = 3  # exit code: a row is below its floor
VOID = 4  # exit code: no row failed, but the machine was too busy to tell of some


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours beside a peer's, or beside a bound.

    Attributes:
        id: name of the row.
        unit: of ``ours`` and ``peer``; less is better unless it is a rate.
        ours, peer: as measured.
        floor: least ratio that passes.
        rate: more is better.
        about: what else is known of the run.
    """

    id: str
    unit: str
    ours: float
    peer: float
    floor: float
    rate: bool = False
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Times better than the peer or the bound; 0 where nothing was measured."""
        better, worse = (self.ours, self.peer) if self.rate else (self.peer, self.ours)
        return better / worse if worse > 0 else 0.0

    @property
    def passed(self) -> bool:
        """The ratio reaches the floor."""
        return self.ratio >= self.floor


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that were not measured, and why; they count as neither passed nor failed."""

    id: str
    reason: str


@dataclass(slots=True)
class Comparison:
    """All that was measured.

    Attributes:
        rows: in order of measuring.
        void: ids of rows measured while others used the machine.
        skipped: what could not be measured.
        foreign: cores that others used while each row was measured, by its id.
    """

    rows: list[Row] = field(default_factory=list)
    void: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    foreign: dict[str, float] = field(default_factory=dict)

    def exit_code(self) -> int:
        """0 when every row that was measured passes on a quiet machine."""
        counted = [row for row in self.rows if row.id not in self.void]
        if not all(row.passed for row in counted):
            return FAILED
        return VOID if self.void else 0

    def document(self, most_foreign: float) -> dict[str, Any]:
        """The report as JSON: ``rows``, ``quiet``, ``skipped``."""
        return {
            "rows": [
                {
                    "id": row.id,
                    "unit": row.unit,
                    "ours": _short(row.ours),
                    "peer": _short(row.peer),
                    "ratio": _short(row.ratio),
                    "floor": row.floor,
                    "passed": row.passed and row.id not in self.void,
                    "void": row.id in self.void,
                    **({"about": row.about} if row.about else {}),
                }
                for row in self.rows
            ],
            "quiet": {
                "most_foreign_cores": most_foreign,
                "foreign_cores": {key: round(value, 3) for key, value in self.foreign.items()},
                "quiet": not self.void,
            },
            "skipped": [{"id": one.id, "reason": one.reason} for one in self.skipped],
        }


def lines(comparison: Comparison) -> tuple[Sequence[str], list[list[str]]]:
    """Head and cells of the printed table."""
    rows = [
        [
            row.id, f"{_short(row.ours):g}", f"{_short(row.peer):g}", row.unit,
            f"{_short(row.ratio):g}x", f"{row.floor:g}x", _verdict(row, comparison),
        ]
        for row in comparison.rows
    ]  # fmt: skip
    rows += [[one.id, "-", "-", "-", "-", "-", "skipped"] for one in comparison.skipped]
    return ("row", "ours", "peer or bound", "unit", "better", "floor", ""), rows


def _verdict(row: Row, comparison: Comparison) -> str:
    foreign = comparison.foreign.get(row.id, 0.0)
    if row.id in comparison.void:
        return f"void: {foreign:.2f} core foreign"
    return "passed" if row.passed else "FAILED"


def _short(value: float) -> float:
    return float(f"{value:.4g}")
