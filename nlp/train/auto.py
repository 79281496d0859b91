"""Trains every kind of classifier within a time budget and keeps the best by cross-validation."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

from nlp.metrics import accuracy, macro_f1
from nlp.train.choice import (
    NETWORKS,
    Choice,
    Task,
    better,
    choose_default,
    weigh_hashed,
)
from nlp.train.learners import OutOfTime, hold_out
from nlp.train.loop import Progress

BUDGET_S: Final = 600.0
_SEQUENCES: Final = ("cnn", "rnn")


def choose_auto(task: Task, progress: Progress, *, budget_s: float) -> Choice:
    """The best candidate, with a line for each under ``tried``, and its name as ``kept``.

    A candidate takes the place of a cheaper one, in the order they are tried, where it is surely
    better on the same rows. The default is always tried, another one while the budget lasts (wall
    seconds). The average of the default and the better network over sequences is judged as well,
    for it costs nothing more.

    A line has ``accuracy``, ``macro_f1``, ``cpu_s`` and ``model_bytes`` (weights of the model of
    one fold), or says that the candidate was not reached.
    """
    deadline_s = time.monotonic() + budget_s
    began = time.process_time()
    base = choose_default(
        task, lambda stage, share: progress(f"default: {stage}", share / 4), fast=False
    )
    found = {"default": base}
    tried: dict[str, Any] = {"default": _line(base, time.process_time() - began)}
    for number, name in enumerate(NETWORKS):
        progress(f"trying {name}", 0.1 + 0.12 * number)
        began = time.process_time()
        try:
            found[name] = _candidate(task, base, name, deadline_s)
        except OutOfTime:
            tried[name] = {"reached": False}
        else:
            tried[name] = _line(found[name], time.process_time() - began)
    reached = [name for name in _SEQUENCES if name in found]
    if reached:
        second = max(reached, key=lambda name: tried[name]["accuracy"])
        name = f"default+{second}"
        found[name] = _average(base, found[second])
        tried[name] = _line(found[name], tried["default"]["cpu_s"] + tried[second]["cpu_s"])
    kept = "default"
    for name, choice in found.items():
        if better(choice.right, found[kept].right):
            kept = name
    return replace(found[kept], tried=tried, kept=kept)


def _candidate(task: Task, base: Choice, name: str, deadline_s: float) -> Choice:
    """One network on the folds that judged the default."""
    learner, features = NETWORKS[name]
    trials = base.trials
    if features == "trigrams":
        read = task.read()[: len(trials)]
        trials = task.trials(read, weigh_hashed)
    held_out = hold_out(
        trials, learner, seed=task.seed, threads=task.threads, deadline_s=deadline_s
    )
    pairs = base.pairs and features == "vocabulary"
    return Choice(trials, (learner,), (held_out,), features, pairs=pairs)


def _average(base: Choice, other: Choice) -> Choice:
    learners, held_out = base.learners + other.learners, base.held_out + other.held_out
    return replace(base, learners=learners, held_out=held_out)


def _line(choice: Choice, cpu_s: float) -> dict[str, Any]:
    truth, predicted = choice.held_out[0].truth, choice.proba.argmax(axis=1)
    return {
        "accuracy": round(accuracy(truth, predicted), 4),
        "macro_f1": round(macro_f1(truth, predicted), 4),
        "cpu_s": round(cpu_s, 2),
        "model_bytes": sum(part.model_bytes for part in choice.held_out),
    }
