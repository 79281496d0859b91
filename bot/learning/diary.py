"""What a job's row keeps of what its child says: the end of the log and the loss curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MOST_POINTS: Final = 400
_MOST_LINES: Final = 60


class Diary:
    """Collects lines of a child; bounded however long it works."""

    def __init__(self) -> None:
        self._log: list[str] = []
        self._points: list[tuple[str, float, float]] = []

    def take(self, line: Mapping[str, Any]) -> bool:
        """Whether the line was for the diary."""
        if "log" in line:
            self.note([str(line["log"])])
            return True
        if "loss" in line:
            self._points.append((str(line["fit"]), float(line["share"]), float(line["loss"])))
            if len(self._points) > _MOST_POINTS:
                # The curves of fits long done; the live one matters most.
                del self._points[: _MOST_POINTS // 4]
            return True
        return False

    def note(self, lines: Sequence[str]) -> None:
        """Add lines to the log."""
        self._log = [*self._log, *lines][-_MOST_LINES:]

    @property
    def metrics(self) -> dict[str, Any]:
        """``log``: lines; ``loss``: curves, each a ``fit`` and its ``points`` (share, loss)."""
        curves: dict[str, list[tuple[float, float]]] = {}
        for fit, share, loss in self._points:
            curves.setdefault(fit, []).append((share, loss))
        return {
            "log": list(self._log),
            "loss": [{"fit": fit, "points": points} for fit, points in curves.items()],
        }
