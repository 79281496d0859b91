"""Which encoder a preset of the ranker stands for; ``auto`` keeps the one that ranks best."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, cast, get_args

from nlp.encoders import Encoder, Kind
from nlp.train.encoders import fit_network_encoder
from nlp.train.ranker import EncoderSettings, fit_encoder


class FitEncoder(Protocol):
    """Trains an encoder on answers and on questions with the position of their answer."""

    def __call__(
        self,
        answers: Sequence[str],
        pairs: Sequence[tuple[str, int]],
        *,
        seed: int,
        progress: Callable[[float], None] | None = None,
    ) -> Encoder:
        """The encoder; ``progress`` is told the finished share, 0..1."""


Progress = Callable[[str, float], None]
Correct = Callable[[FitEncoder, Path, Progress], dict[str, object]]
"""Fits a correction over an encoder into a folder and gives its cross-validated figures."""

_TIE: Final = 0.005  # of accuracy and reciprocal rank
# From cheap to dear; ``auto`` tries them in this order.
_AUTO: Final = ("default", "ff", "seed", "cnn", "rnn")


def choose_encoder(
    preset: str, correct: Correct, folder: Path, *, budget_s: float, tell: Progress
) -> tuple[FitEncoder, dict[str, object]]:
    """The encoder of a preset with the figures of its correction, which then lies in ``folder``.

    For ``auto`` the figures also name the ``kept`` encoder and what it was chosen from, ``tried``.
    """
    if preset != "auto":
        fit = _fit_of(preset)
        return fit, correct(fit, folder, tell)
    known = {name: _fit_of(name) for name in _AUTO}
    kept, figures = compare(known, correct, folder, budget_s=budget_s, tell=tell)
    return known[kept], figures


def compare(
    known: Mapping[str, FitEncoder],
    correct: Correct,
    folder: Path,
    *,
    budget_s: float,
    tell: Progress,
) -> tuple[str, dict[str, object]]:
    """Name and figures of the encoder with which the whole ranks best; keeps its correction.

    The first is always tried, another one while the budget lasts (wall seconds). A later one must
    be better by more than ``_TIE``.
    """
    deadline_s = time.monotonic() + budget_s
    kept, best, figures = "", 0.0, dict[str, object]()
    tried: dict[str, object] = {}
    for number, (name, fit) in enumerate(known.items()):
        if kept and time.monotonic() > deadline_s:
            tried[name] = {"reached": False}
            continue

        def told(stage: str, share: float, number: int = number) -> None:
            tell("folds", (number + (share if stage == "folds" else 1.0)) / len(known))

        began = time.process_time()
        place = folder / f".{name}"
        found = correct(fit, place, told)
        score = (float(str(found["acc_at_1"])) + float(str(found["mrr"]))) / 2
        cpu_s = round(time.process_time() - began, 2)
        tried[name] = {key: found[key] for key in ("acc_at_1", "mrr", "variant")} | {"cpu_s": cpu_s}
        if not kept or score > best + _TIE:
            kept, best, figures = name, score, found
            shutil.rmtree(folder / "correction", ignore_errors=True)
            (place / "correction").rename(folder / "correction")
        shutil.rmtree(place)
    return kept, figures | {"kept": kept, "tried": tried}


def _fit_of(preset: str) -> FitEncoder:
    if preset in get_args(Kind):
        return partial(fit_network_encoder, cast("Kind", preset))
    settings = EncoderSettings()
    if preset == "fast":
        settings = replace(settings, dimension=128, epochs=6)
    return partial(fit_encoder, settings=settings)
