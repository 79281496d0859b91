"""Runs measurements one after another, and voids those that others have disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from admin.bench.quiet import MOST_FOREIGN_CORES, Quiet
from admin.bench.report import Comparison, Row, Skipped

T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(slots=True)
class Judge:
    """Collects rows.

    Args:
        tell: told what is done.
        most_foreign: cores that others may use.
    """

    tell: Tell
    most_foreign: float = MOST_FOREIGN_CORES
    comparison: Comparison = field(default_factory=Comparison)

    def quietly(self, name: str, measure: Callable[[], T]) -> tuple[T, float]:
        """What ``measure`` gives, and the cores that others used; a disturbed one is repeated once.

        Of two disturbed ones the quieter counts.
        """
        best: tuple[T, float] | None = None
        for _ in range(2):
            self.tell(name)
            with Quiet() as quiet:
                value = measure()
            if best is None or quiet.foreign_cores < best[1]:
                best = value, quiet.foreign_cores
            if quiet.foreign_cores <= self.most_foreign:
                break
            self.tell(f"{name}: others use {quiet.foreign_cores:.2f} of a core")
        if best is None:
            raise AssertionError("A measurement runs at least once.")
        return best

    def add(self, row: Row, *foreign: float) -> None:
        """Take a row up; it is void where others used too much in one of its runs."""
        comparison = self.comparison
        comparison.rows.append(row)
        comparison.foreign[row.id] = max(foreign, default=0.0)
        if comparison.foreign[row.id] > self.most_foreign:
            comparison.void.add(row.id)

    def skip(self, ids: Iterable[str], reason: str) -> None:
        """Rows that cannot be measured."""
        self.comparison.skipped += [Skipped(one, reason) for one in ids]
