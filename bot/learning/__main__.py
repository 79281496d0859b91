"""The child process: ``python -m bot.learning FOLDER``.

Reads the training set and ``job.json`` from the folder, writes a bundle beside the others and one
JSON object per line on standard output: ``{"stage", "progress", "eta_s"}``, ``{"log"}`` and
``{"fit", "share", "loss"}`` while it works, ``{"version", "metrics"}`` or ``{"failed"}`` at the
end. Never opens the database.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from bot.learning.bundle import NothingToTrain
from bot.learning.challenge import train_challenger
from bot.learning.dataset import Dataset
from bot.learning.speaking import Speaker, begin, say
from bot.store.records import Canary
from nlp.artifacts import ArtifactDamaged, load_json


def _train(folder: Path, job: dict[str, Any], speaker: Speaker) -> tuple[str, dict[str, Any]]:
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
    job = load_json(folder / "job.json")
    begin(job["max_minutes"])
    speaker = Speaker()
    try:
        version, metrics = _train(folder, job, speaker)
    except (NothingToTrain, ArtifactDamaged) as error:
        little = isinstance(error, NothingToTrain)
        why = "There is too little to learn from" if little else "Failed"
        say({"failed": f"{why}: {error}."})
        return 1
    say({"version": version, "metrics": metrics})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
