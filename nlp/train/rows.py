"""Training rows of the classifier and the choice of which rows judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from nlp.labels import stratified_folds

Ints = NDArray[np.int64]
Origin = Literal["ticket", "question", "answer"]

# Below this many tickets the knowledge base's own questions judge as well.
ENOUGH_TICKETS: Final = 100


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One training row: a ticket, or a question or an answer of the knowledge base."""

    text: str
    label: str
    origin: Origin = "ticket"


class TooLittleData(ValueError):
    """There are too few rows or categories to train on; the text says which."""


def clean_rows(rows: Sequence[LabelledText]) -> list[LabelledText]:
    """Rows with text and category, each (text, category) once, in order.

    Raises:
        TooLittleData: fewer than two categories or fewer than 10 rows are left.
    """
    kept = list(
        {(row.text, row.label): row for row in rows if row.text.strip() and row.label}.values()
    )
    if len(kept) < 10:
        raise TooLittleData(f"{len(kept)} rows with a category; 10 are needed")
    if len({row.label for row in kept}) < 2:
        raise TooLittleData("all rows are of one category; two are needed")
    return kept


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers to train on and to judge by; judged rows are never trained on."""

    train: Ints
    held_out: Ints


def make_folds(rows: Sequence[LabelledText], numbers: Ints, *, seed: int) -> list[Fold]:
    """Cross-validation folds. Tickets judge; the knowledge base is always trained on.

    With few tickets its questions judge too. Five folds up to 2,000 judging rows, three up to
    6,000, above one held-out fifth. ``numbers`` (n,) are the rows' categories.
    """
    tickets = np.array([row.origin == "ticket" for row in rows])
    judging = tickets
    if tickets.sum() < ENOUGH_TICKETS:
        judging = np.array([row.origin != "answer" for row in rows])
    candidates = np.flatnonzero(judging)
    parts, used = _plan(len(candidates))
    fold = stratified_folds(numbers[candidates], parts, seed=seed)
    everything = np.arange(len(rows))
    folds = []
    for number in range(used):
        held_out = candidates[fold == number]
        folds.append(Fold(np.setdiff1d(everything, held_out), held_out))
    return folds


def _plan(judging: int) -> tuple[int, int]:
    """Parts to cut into, and how many of them are used."""
    if judging > 6000:
        return 5, 1
    return (3, 3) if judging > 2000 else (5, 5)
