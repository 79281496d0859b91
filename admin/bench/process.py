"""A server in a process of its own: started, watched from outside, ended by its number."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import NeurobotError

_IDLE_S: Final = 0.01  # processor time between two looks that counts as work
_POLL_S: Final = 0.05
_STILL_S: Final = 0.3  # without work for so long: it has nothing left to do
_STOP_S: Final = 10.0
# One thread a library, as in the server; nothing is fetched from elsewhere.
SETTINGS: Final[Mapping[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        pid: of its process.
        port: on the loopback address.
        ready_cpu_s: processor time that it had used when it was ready.
    """

    pid: int
    port: int
    ready_cpu_s: float

    def cpu_s(self) -> float:
        """Processor time of all its threads."""
        return cpu_s(self.pid)

    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        path = Path(f"/proc/{self.pid}/statm")
        return int(path.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")

    def wait_until_idle(self, patience_s: float) -> None:
        """Wait while it works, also on what it has acknowledged already.

        Raises:
            NeurobotError: it still works after ``patience_s``.
        """
        last, still_since, began = self.cpu_s(), time.monotonic(), time.monotonic()
        while time.monotonic() - still_since < _STILL_S:
            time.sleep(_POLL_S)
            spent = self.cpu_s()
            if spent - last > _IDLE_S:
                last, still_since = spent, time.monotonic()
            if time.monotonic() - began > patience_s:
                raise NeurobotError(f"A server still works after {patience_s:.0f} s.")


@contextmanager
def running(
    command: Sequence[str], *, port: int, ready: str, log: Path, patience_s: float = 120.0
) -> Iterator[Server]:
    """The server while the context lasts.

    Args:
        command: starts it.
        port: where it will answer.
        ready: path that answers 200 once it can work.
        log: file for what it prints.
        patience_s: how long it may take to be ready.

    Raises:
        NeurobotError: it ended, or did not become ready; the text ends with its last words.
    """
    kept = {
        key: text
        for key, text in os.environ.items()
        if not key.startswith("NEUROBOT_") and key != "PYTHONDONTWRITEBYTECODE"
    }
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own servers
            command, env={**kept, **SETTINGS}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        _await(process, f"http://127.0.0.1:{port}{ready}", patience_s, log)
        yield Server(process.pid, port, cpu_s(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Processor time of a process, kernel and all threads included, in nanosecond steps.

    Its number as a clock: the scheduler's time of process ``pid``; clock_getcpuclockid(3).

    Raises:
        OSError: it has ended.
    """
    return time.clock_gettime(~pid << 3 | 2)


def _await(process: subprocess.Popen[bytes], url: str, patience_s: float, log: Path) -> None:
    until = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_S)
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise NeurobotError(f"A server did not start: {words[-1] if words else 'no word from it'}")
