"""A fold learns nothing from what it holds out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nlp.classifier import TicketClassifier
from nlp.features import Rows
from nlp.train.classifier import LabelledText, fit_classifier
from nlp.train.counted import CountedTexts
from nlp.train.nets import take
from nlp.train.problem import Trial, as_trial, build_problem, read_folds
from nlp.train.rows import Fold, clean_rows, make_folds

OWN = [
    "сколько стоит починить лыжи",
    "сколько стоит починить коньки",
    "когда будет готов самокат",
    "когда будет готова палатка",
    "сколько ждать байдарку",
    "сколько стоит байдарка",
]
FOREIGN = ["who wrote this opera", "which planet is the largest", "кто открыл кислород"]
NUMBERS = np.array([0, 0, 1, 1, 1, 0])
FOLD = Fold(np.array([0, 1, 2, 3]), np.array([4, 5]))


def _trial(own: list[str], foreign: list[str]) -> Trial:
    (read,) = read_folds(own, foreign, [FOLD])
    problem = build_problem(
        read, NUMBERS, CountedTexts(pairs=False).rows,
        n_labels=2,
    )  # fmt: skip
    return as_trial(problem, read, FOLD.held_out)


def _dense(rows: Rows) -> np.ndarray:
    table = np.zeros((len(rows), rows.width), np.float32)
    table[np.repeat(np.arange(len(rows)), np.diff(rows.indptr)), rows.indices] = rows.values
    return table


def test_training_rows_do_not_depend_on_what_is_held_out() -> None:
    before = _trial(OWN, FOREIGN)
    # Of the foreign texts the first and third are held out with the last two of our own.
    changed = [*OWN[:4], "сколько стоит ghbdtn", "xyz xyz когда будет лыжи 123"]
    after = _trial(changed, ["стоит лыжи", FOREIGN[1], "where"])
    assert before.chosen.tolist() == after.chosen.tolist()
    assert len(before.chosen) == 4 + 1
    assert before.problem.target[before.chosen].tolist().count(2) == 1
    rows = [_dense(take(trial.problem.rows, trial.chosen)) for trial in (before, after)]
    assert np.array_equal(rows[0], rows[1])


def test_judged_rows_are_those_held_out() -> None:
    trial = _trial(OWN, FOREIGN)
    assert trial.problem.target[trial.held_out].tolist() == [1, 0]
    assert trial.problem.target[trial.foreign].tolist() == [2, 2]
    assert not set(trial.chosen) & {*trial.held_out.tolist(), *trial.foreign.tolist()}


def test_reported_accuracy_is_that_of_models_without_the_held_out_texts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    words = [f"слово{number}" for number in range(60)]
    rows = clean_rows(
        [
            LabelledText(
                " ".join(generator.choice(words[10 * kind : 10 * kind + 25], 4)), str(kind)
            )
            for kind in range(4)
            for _ in range(40)
        ]
    )
    reported = fit_classifier(rows, tmp_path / "all", preset="fast")["accuracy"]
    numbers = np.array([int(row.label) for row in rows])
    right = []
    for number, fold in enumerate(make_folds(rows, numbers, seed=0)):
        folder = tmp_path / str(number)
        fit_classifier([rows[place] for place in fold.train], folder, preset="fast")
        judged = [rows[place] for place in fold.held_out]
        proba = TicketClassifier.load(folder).predict_proba([row.text for row in judged])
        right += [str(best) == row.label for best, row in zip(proba.argmax(1), judged, strict=True)]
    assert reported == pytest.approx(np.mean(right), abs=0.015)
