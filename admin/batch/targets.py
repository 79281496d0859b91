"""What shall be foretold, made from events: a subject's counters then, and what it did next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from admin.batch.counters import DAY_S, Plan, count, happened

CHURN, PAID, BUY = "churn", "paid", "buy"
TARGETS: Final = (CHURN, PAID, BUY)
COLUMN: Final = "target"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about the next ``horizon_days``.

    ``churn``: who was active in so many days before will not be active in the next. ``paid``: who
    has never done ``event`` will do it. ``buy``: who is active will do ``event``.
    """

    target: str
    horizon_days: int = 28
    event: str = ""


def asked(daft: ModuleType, events: Any, plan: Plan, question: Question) -> pa.Table:
    """Counters at ``plan.as_of`` of the subjects that the question is about."""
    table = count(daft, events, plan)
    horizon_s = question.horizon_days * DAY_S
    active = happened(daft, events, "", plan.as_of - horizon_s, plan.as_of)
    wanted = set(active)
    if question.target == PAID:
        wanted -= set(happened(daft, events, question.event, 0.0, plan.as_of))
    keep = [key in wanted for key in table["key"].to_pylist()]
    return table.filter(pa.array(keep, pa.bool_()))


def answered(daft: ModuleType, events: Any, plan: Plan, question: Question) -> pa.Table:
    """The table to learn from: ``asked`` a horizon ago, with what came true as ``target``, 0/1."""
    then = replace(plan, as_of=plan.as_of - question.horizon_days * DAY_S)
    table = asked(daft, events, then, question)
    came = came_true(daft, events, question, then.as_of)
    return table.append_column(COLUMN, came(table["key"]))


def came_true(daft: ModuleType, events: Any, question: Question, as_of: float) -> Any:
    """A function from keys to 0/1: whether it came true in the horizon after ``as_of``."""
    name = "" if question.target == CHURN else question.event
    until = as_of + question.horizon_days * DAY_S
    did = pa.array(sorted(happened(daft, events, name, as_of, until)), pa.large_string())

    def of(keys: pa.ChunkedArray) -> pa.Array:
        inside = pc.is_in(keys.cast(pa.large_string()), value_set=did)
        said = pc.invert(inside) if question.target == CHURN else inside
        return said.cast(pa.int64())

    return of
