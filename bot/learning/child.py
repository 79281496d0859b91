"""The child of a job seen from the server: start, watch, find again, end.

Everything that must survive the server is in the job's folder: what the child prints, its process
number, and a lock on ``alive`` that is held exactly as long as it lives. A child belongs to no
server: one that is found again is handled like one just started.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bot.learning.threads import to_the_end

_GRACE_S = 5.0
_STEP_S = 0.1
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# The shell ends at once, so the child is nobody's and outlives the server without a trace in it.
_LAUNCH = 'cd "$0" && { "$@" >stdout 2>stderr </dev/null & echo $! >pid; }'


class Child:
    """One ``python -m <module> FOLDER`` and what it has said so far."""

    def __init__(self, folder: Path, module: str = "bot.learning") -> None:
        self._folder = folder
        self._module = module
        self._read_bytes = 0

    async def start(self, threads: int) -> None:
        """Start it in a session of its own; who is cancelled meanwhile leaves a started one.

        Raises:
            OSError: no process could be started.
        """
        await to_the_end(self._launch, threads)

    def runs(self) -> bool:
        """Whether it still works."""
        return _locked(self._folder / "alive")

    def news(self) -> list[Mapping[str, Any]]:
        """Complete lines said since the last call; from the beginning for a child found again."""
        try:
            with (self._folder / "stdout").open("rb") as file:
                file.seek(self._read_bytes)
                said = file.read()
        except FileNotFoundError:
            return []
        complete = said[: said.rfind(b"\n") + 1]
        self._read_bytes += len(complete)
        lines: list[Mapping[str, Any]] = []
        for line in complete.splitlines():
            # A library may print as well; only objects are ours.
            with contextlib.suppress(msgspec.DecodeError):
                lines.append(msgspec.json.decode(line, type=dict[str, Any]))
        return lines

    async def end(self) -> None:
        """Ask it to stop, then make it stop; returns when it is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            waited = 0.0
            while self.runs() and waited < _GRACE_S:
                await asyncio.sleep(_STEP_S)
                waited += _STEP_S

    def last_lines(self, count: int = 20) -> list[str]:
        """The end of its error output."""
        try:
            text = (self._folder / "stderr").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [line.rstrip()[:300] for line in text.splitlines() if line.strip()][-count:]

    def last_words(self) -> str:
        """Last line of its error output, or nothing."""
        return "".join(self.last_lines(1)).strip()

    def _launch(self, threads: int) -> None:
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        # So that the child finds the packages from a checkout too, wherever it is started.
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        with (self._folder / "alive").open("wb") as alive:
            # The lock goes to the child with the descriptor; the kernel drops it at its death.
            fcntl.flock(alive, fcntl.LOCK_EX)
            subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", _LAUNCH, self._folder, sys.executable, "-m", self._module, "."],
                check=True, env=environment, start_new_session=True, pass_fds=(alive.fileno(),),
            )  # fmt: skip

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, ValueError, FileNotFoundError):
            # While the lock is held the number is that of the child and of nobody else.
            if self.runs():
                os.kill(int((self._folder / "pid").read_text(encoding="ascii")), number)


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
