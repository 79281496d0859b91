"""Who else uses the machine: its processor time less that of this process and its children."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

MOST_FOREIGN_CORES: Final = 0.15  # beyond it a run counts for nothing
_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


@dataclass(slots=True)
class Quiet:
    """Cores that others use while the context lasts; what started in it must have ended in it.

    Attributes:
        foreign_cores: mean over the context, 0 or more; set at its end.
    """

    foreign_cores: float = 0.0
    _began: float = 0.0
    _busy_s: float = 0.0
    _own_s: float = 0.0

    def __enter__(self) -> Self:
        self._began, self._busy_s, self._own_s = time.monotonic(), busy_s(), own_s()
        return self

    def __exit__(self, *error: object) -> None:
        waited = time.monotonic() - self._began
        foreign_s = busy_s() - self._busy_s - (own_s() - self._own_s)
        self.foreign_cores = max(0.0, foreign_s / waited) if waited > 0 else 0.0

    @property
    def held(self) -> bool:
        """Others used little enough for the run to count."""
        return self.foreign_cores <= MOST_FOREIGN_CORES


def busy_s() -> float:
    """Processor seconds of the whole machine since it started; idle and stolen time left out."""
    first = (_PROC / "stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, hard, soft = (int(field) for field in first[:7])
    return (user + nice + system + hard + soft) * _TICK_S


def own_s() -> float:
    """Processor seconds of this process, of children that ended, and of those that live."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(_spent_s(pid) for pid in _descendants(os.getpid()))


def _spent_s(pid: int) -> float:
    fields = stat_fields(pid)
    return sum(int(field) for field in fields[11:15]) * _TICK_S if fields else 0.0


def stat_fields(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` after the name, the state first; empty where it has ended.

    Source: proc(5).
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _descendants(ancestor: int) -> list[int]:
    parents = {}
    for path in _PROC.iterdir():
        fields = stat_fields(int(path.name)) if path.name.isdecimal() else []
        if fields:
            parents[int(path.name)] = int(fields[1])
    found: list[int] = []
    level = [ancestor]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found
