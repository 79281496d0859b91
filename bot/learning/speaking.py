"""How a child process of a job speaks: one JSON object a line on standard output."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import FrameType
from typing import Any


def begin(max_minutes: float) -> None:
    """Make this process the child: lowest priority, ending by itself in time."""
    os.nice(19)
    # A clean exit leaves no half-made files behind. The server reads the missing last line of a
    # child that the alarm ended as a failure.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _leave)
    signal.alarm(int(max_minutes * 60))


class Speaker:
    """Prints progress that only grows, with an estimate of the time left, and losses."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._share = 0.0
        self._stage = ""
        self._fits = 0

    def __call__(self, stage: str, share: float) -> None:
        """Say that ``share`` 0..1 of all work is done, and what goes on now."""
        self._share = max(self._share, min(share, 1.0))
        spent = time.monotonic() - self._started
        # Too little done says nothing about the rest.
        eta = spent * (1 - self._share) / self._share if self._share > 0.05 else None
        if stage != self._stage:
            self._stage = stage
            say({"log": f"{spent:.1f} s  {stage}"})
        say({"stage": stage, "progress": round(self._share, 4), "eta_s": eta and round(eta, 1)})

    def loss(self, share: float, loss: float) -> None:
        """A point of a loss curve; at share 0 another fit begins."""
        if share == 0.0:
            self._fits += 1
        fit = f"{self._fits} {self._stage}"
        say({"fit": fit, "share": round(share, 3), "loss": round(loss, 5)})


def say(line: dict[str, Any]) -> None:
    """Print one JSON line at once."""
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)
