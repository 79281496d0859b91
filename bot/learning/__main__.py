"""The child process: ``python -m bot.learning FOLDER``.

Reads the training set and ``job.json`` from the folder, writes a bundle beside the others and one
JSON object per line on standard output: ``{"stage", "progress", "eta_s"}``, ``{"log"}`` and
``{"fit", "share", "loss"}`` while it works, ``{"version", "metrics"}`` or ``{"failed"}`` at the
end. Never opens the database.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from bot.learning.bundle import NothingToTrain
from bot.learning.challenge import train_challenger
from bot.learning.dataset import Dataset
from bot.store.records import Canary
from nlp.artifacts import ArtifactDamaged, load_json


class _Speaker:
    """Prints progress that only grows, with an estimate of the time left, and losses."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._share = 0.0
        self._stage = ""
        self._fits = 0

    def __call__(self, stage: str, share: float) -> None:
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


def _train(folder: Path, job: dict[str, Any], speaker: _Speaker) -> tuple[str, dict[str, Any]]:
    # In here, because it loads torch, which who only reads this file need not.
    from nlp.train.loop import losses_told_to  # noqa: PLC0415

    with losses_told_to(speaker.loss):
        return train_challenger(
            Dataset.read(folder),
            Path(job["artefacts"]),
            seed=int(job["seed"]),
            threads=int(job["threads"]),
            preset=job["preset"],
            part=job["part"],
            champion=Path(job["champion"]) if job["champion"] else None,
            canaries=msgspec.convert(job["canaries"], list[Canary]),
            # A third each for comparing classifiers, for comparing rankers and for the rest.
            budget_s=int(job["max_minutes"]) * 60 / 3,
            progress=speaker,
        )


def main(folder: Path) -> int:
    """Train; the exit code is 0 for a published bundle."""
    os.nice(19)
    job = load_json(folder / "job.json")
    # Leave no half-made bundle behind.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _leave)
    # The alarm ends the process by itself; the server reads the missing last line as a failure.
    signal.alarm(int(job["max_minutes"]) * 60)
    speaker = _Speaker()
    try:
        version, metrics = _train(folder, job, speaker)
    except (NothingToTrain, ArtifactDamaged) as error:
        begin = (
            "There is too little to learn from" if isinstance(error, NothingToTrain) else "Failed"
        )
        say({"failed": f"{begin}: {error}."})
        return 1
    say({"version": version, "metrics": metrics})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
