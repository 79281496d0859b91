"""Counters of the events, a model of what came next, and scores of who is there now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from admin.batch import engine
from admin.batch.counters import Plan, happened, last_at, members, read_events
from admin.batch.desk import desk_events
from admin.batch.event_export import export
from admin.batch.kernels import numbers
from admin.batch.targets import COLUMN, Question, answered, asked
from admin.insights.propensity import fit, save
from admin.insights.table import from_columns
from admin.scoring.orders import ALIASES, CHURN, DESK, EVENTS, Due, Orders, Result
from admin.scoring.scores import nameless, report_of, write_scores
from bot.errors import BadData

Tell = Callable[[str, float], None]


def run(orders: Orders, folder: Path, tell: Tell) -> Result:
    """Write the scores into ``folder`` and the model where the orders say.

    Raises:
        BadData: no events, or too few that did it or did not.
    """
    daft = engine.start(orders.engine)
    tell("collecting", 0.01)
    days = exported(orders, folder)
    tell("counting", 0.1)
    known = members(daft, days)
    lines, persons = _desk(folder)
    events = read_events(daft, days, desk_events(lines, persons, known)).collect()
    as_of = last_at(daft, events, orders.now)
    if as_of is None:
        raise _nothing()
    plan = Plan(as_of, orders.windows_days)
    question = Question(orders.target, orders.horizon_days, orders.event)
    past = answered(daft, events, plan, question)
    tell("counting", 0.2)
    present = asked(daft, events, plan, question)
    outcomes = judged(daft, events, orders)
    tell("fitting", 0.35)
    keys, columns = numbers(past)
    target = columns.pop(COLUMN).astype(bool)
    table = from_columns(columns, target=target, ids=keys)
    fitted = fit(table, target=orders.target, tell=lambda what: tell(f"fitting: {what}", 0.5))
    save(nameless(fitted.model), Path(orders.model_folder))
    tell("scoring", 0.85)
    keys, columns = numbers(present)
    now = from_columns(columns, ids=keys)
    proba = fitted.model.predict_proba(now) if now.n_rows else np.zeros(0)
    write_scores(folder, orders, fitted.model, now, subjects=now.ids, proba=proba)
    notices = fitted.model.notices(now) if now.n_rows else ()
    threshold, report = report_of(fitted, orders.precision, notices)
    report |= {"event": orders.event, "windows_days": list(orders.windows_days),
               "horizon_days": orders.horizon_days}  # fmt: skip
    return Result(as_of, threshold, report, outcomes, known)


def exported(orders: Orders, folder: Path) -> Path:
    """The folder of all events by day.

    Raises:
        BadData: there are none.
    """
    days = Path(orders.export_folder) if orders.export_folder else folder / EVENTS
    export(Path(orders.events_file), days, orders.now)
    if not any(days.glob("day=*/*.parquet")):
        raise _nothing()
    return days


def _nothing() -> BadData:
    return BadData(
        "There are no events of known customers or companies yet.",
        remedy="Send events that name a customer or a company.",
    )


def _desk(folder: Path) -> tuple[list[bytes], dict[str, str]]:
    """Lines of the desk, and the names on the site of customers who stand there under another."""
    persons: dict[str, str] = msgspec.json.decode((folder / ALIASES).read_bytes())
    return (folder / DESK).read_bytes().splitlines(), persons


def judged(daft: ModuleType, events: Any, orders: Orders) -> dict[str, bool]:
    """Which of the flags whose time is over came true; those of one question and time at once."""
    groups: dict[tuple[str, float, float], list[Due]] = {}
    for one in orders.due:
        groups.setdefault((one.event, one.as_of, one.due_at), []).append(one)
    found = {}
    for (event, as_of, due_at), flags in groups.items():
        did = happened(daft, events, event, as_of, due_at)
        for flag in flags:
            found[str(flag.id)] = (flag.subject in did) != (orders.target == CHURN)
    return found
