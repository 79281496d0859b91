"""Memory stays in few places of the C library, unless its own variables say otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Eight threads at once that allocate past what each keeps for itself.
THREADS = """
import ctypes, sys, threading
from bot.memory import keep_together
asked = keep_together()
together = threading.Barrier(8)
def work():
    for _ in range(300):
        together.wait()
        [bytearray(5000) for _ in range(20)]
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(asked)
ctypes.CDLL(None).malloc_stats()
"""


def arenas(**environment: str) -> tuple[str, int]:
    """What was said of the wish, and how many arenas there were in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", THREADS], cwd=ROOT, env={**kept, **environment}, text=True,
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return run.stdout.strip(), run.stderr.count("Arena ")


@pytest.mark.skipif(sys.platform != "linux", reason="the wish is one of the GNU C library")
def test_threads_share_two_arenas_where_nobody_decided_otherwise() -> None:
    assert arenas() == ("True", 2)
    asked, number = arenas(MALLOC_ARENA_MAX="5")
    assert asked == "False"
    assert number > 2
