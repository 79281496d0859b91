"""The training child seen from the server: start, watch, find again, end.

Everything that must survive the server is in the job's folder: what the child prints goes to a
file there, and a lock on ``alive`` says that it still runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_POLL_S = 0.2
_GRACE_S = 5.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Child:
    """One ``python -m bot.learning`` and what it has said so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_bytes = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, threads: int) -> None:
        """Start it in a session of its own, so that it outlives the server."""
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        said, complained = self._folder / "stdout", self._folder / "stderr"
        with said.open("wb") as out, complained.open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot.learning", str(self._folder),
                stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err,
                env=environment, start_new_session=True,
            )  # fmt: skip

    def runs(self) -> bool:
        """Whether it still works, be it our child or one of an earlier server."""
        if self._process is not None:
            return self._process.returncode is None
        return _locked(self._folder / "alive")

    def news(self) -> list[Mapping[str, Any]]:
        """Complete lines said since the last call; from the beginning after a restart."""
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

    async def wait(self, seconds: float) -> None:
        """Return when it ends, or after so many seconds."""
        if self._process is None:
            await asyncio.sleep(min(seconds, _POLL_S))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)

    async def end(self) -> None:
        """Ask it to stop, then make it stop; returns when it is gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            waited = 0.0
            while self.runs() and waited < _GRACE_S:
                await self.wait(_POLL_S)
                waited += _POLL_S
            if not self.runs():
                return

    def last_words(self) -> str:
        """Last line of its error output, or nothing."""
        try:
            text = (self._folder / "stderr").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:300] if lines else ""

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, ValueError, FileNotFoundError):
            if self._process is not None:
                self._process.send_signal(number)
            elif self.runs():
                # The lock is held, so the number in the file is of the process that holds it.
                os.kill(int((self._folder / "alive").read_text(encoding="ascii")), number)


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
