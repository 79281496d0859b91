"""Counters that know too much: those that were written after the fact, or are the target itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from admin.insights.counters import aligned, fit_counters
from admin.insights.logistic import Design, Strength, fit_logistic
from admin.insights.notices import Notice
from admin.insights.table import Table
from nlp.metrics import auroc

if TYPE_CHECKING:
    from admin.insights.propensity import Candidate

LEAK_AUC: Final = 0.99
JUMP_AUC: Final = 0.12
_LOOKED_AT: Final = 3  # the strongest alone; a weaker one cannot jump so far
_HALVES: Final = 2


def find_leaks(table: Table, logistic: Candidate, folds: NDArray[np.int64]) -> tuple[Notice, ...]:
    """Counters that alone reach AUC ``LEAK_AUC``, or without which ``JUMP_AUC`` is lost."""
    halves = folds % _HALVES
    alone = {
        column.name: _auc(table, frozenset({column.name}), halves) for column in table.counters
    }
    falling = sorted(alone, key=lambda name: -alone[name])
    leaks = [name for name in falling if alone[name] > LEAK_AUC]
    notices = [Notice("leak", {"column": name, "auc": alone[name]}) for name in leaks]
    every = frozenset(alone)
    for name in falling[len(leaks) : len(leaks) + _LOOKED_AT]:
        if len(alone) > 1 and alone[name] - 0.5 > JUMP_AUC:
            gain = logistic.auc - _auc(table, every - {name}, halves)
            if gain > JUMP_AUC:
                notices.append(Notice("jump", {"column": name, "gain": gain}))
    return tuple(notices)


def _auc(table: Table, names: frozenset[str], halves: NDArray[np.int64]) -> float:
    """AUC of a plain binned regression on some counters, each half judged by the other."""
    assert table.target is not None  # noqa: S101
    part = table.without(*(one.name for one in table.counters if one.name not in names))
    found = []
    for half in range(_HALVES):
        train, test = part.rows(halves != half), part.rows(halves == half)
        assert train.target is not None  # noqa: S101
        assert test.target is not None  # noqa: S101
        counters = fit_counters(train, bins=20, linear=True)
        design = Design.of(counters, aligned(counters, train)[0])
        model = fit_logistic(design, train.target, Strength(1, 10))
        found.append(auroc(model.log_odds(aligned(counters, test)[0]), test.target))
    return float(np.mean(found))
