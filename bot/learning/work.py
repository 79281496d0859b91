"""A kind of work for a child process: what it is given, and what becomes of what it made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bot.store.records import Job


class Ending(msgspec.Struct, frozen=True):
    """How a job ended: state ``done`` or ``refused``, and why."""

    state: str
    reason: str
    metrics: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Work(Protocol):
    """One kind of job. Its child is ``python -m <module> FOLDER``; see ``bot.learning.child``.

    Attributes:
        kind: of the jobs.
        module: of the child, which prints JSON lines: ``stage`` with ``progress`` and ``eta_s``,
            ``log``, ``loss``, and as its last word ``failed`` or what ``conclude`` reads.
        closing: stage while ``conclude`` works.
        threads: of the child.
    """

    kind: str
    module: str
    closing: str
    threads: int

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse what no job can be made of.

        Raises:
            BadRequest: a parameter is unknown.
        """

    async def prepare(self, job: Job, folder: Path) -> None:
        """Write ``job.json`` and whatever the child reads into a fresh folder.

        Raises:
            NeurobotError: there is nothing to work on.
        """

    async def conclude(self, job: Job, said: Mapping[str, Any], folder: Path) -> Ending:
        """Take over what the child made; safe to repeat after a crash half-way.

        Raises:
            NeurobotError: it cannot be used.
        """
