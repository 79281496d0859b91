"""Counters of the events, a model of what came next, and scores of who is there now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from admin.batch import engine
from admin.batch.counters import Plan, happened, last_at, members, read_events
from admin.batch.targets import COLUMN, Question, answered, asked
from admin.insights.propensity import fit, save
from admin.insights.table import Table, from_columns
from admin.scoring.orders import ALIASES, CHURN, DESK, EVENTS, Due, Orders, Result
from admin.scoring.scores import nameless, report_of, write_scores
from bot.errors import BadData

Tell = Callable[[str, float], None]


def run(orders: Orders, folder: Path, tell: Tell) -> Result:
    """Write the scores into ``folder`` and the model where the orders say.

    Raises:
        BadData: no events, or too few that did it or did not.
    """
    tell("counting", 0.02)
    daft = engine.start(orders.engine)
    known = members(daft, folder / EVENTS)
    events = read_events(daft, folder / EVENTS, desk_events(folder, known)).collect()
    as_of = last_at(daft, events, orders.now)
    if as_of is None:
        raise BadData("There are no events of known customers or companies yet.",
                      remedy="Send events that name a customer or a company.")  # fmt: skip
    plan = Plan(as_of, orders.windows_days)
    question = Question(orders.target, orders.horizon_days, orders.event)
    past = answered(daft, events, plan, question)
    tell("counting", 0.2)
    present = asked(daft, events, plan, question)
    outcomes = judged(daft, events, orders)
    tell("fitting", 0.35)
    table = _table(past.drop_columns([COLUMN]), past[COLUMN].to_numpy().astype(bool))
    fitted = fit(table, target=orders.target, tell=lambda what: tell(f"fitting: {what}", 0.5))
    save(nameless(fitted.model), Path(orders.model_folder))
    tell("scoring", 0.85)
    now = _table(present)
    proba = fitted.model.predict_proba(now) if now.n_rows else np.zeros(0)
    write_scores(folder, orders, fitted.model, now, subjects=now.ids, proba=proba)
    notices = fitted.model.notices(now) if now.n_rows else ()
    threshold, report = report_of(fitted, orders.precision, notices)
    report |= {"event": orders.event, "windows_days": list(orders.windows_days),
               "horizon_days": orders.horizon_days}  # fmt: skip
    return Result(as_of, threshold, report, outcomes, known)


def desk_events(folder: Path, known: dict[str, str]) -> pa.Table | None:
    """What customers did at the desk, as events under their names on the site."""
    path = folder / DESK
    if not path.exists():
        return None
    aliases: dict[str, str] = {}
    if (folder / ALIASES).exists():
        aliases = msgspec.json.decode((folder / ALIASES).read_bytes())
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    customers = [aliases.get(row["customer"], row["customer"]) for row in rows]
    return pa.table({
        "at": pa.array([float(row["at"]) for row in rows], pa.float64()),
        "name": pa.array([row["name"] for row in rows], pa.string()),
        "customer": pa.array(customers, pa.string()),
        "company": pa.array([known.get(one, "") for one in customers], pa.string()),
        "counters": pa.array(["{}"] * len(rows), pa.string()),
    })  # fmt: skip


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


def _table(counted: pa.Table, target: Any = None) -> Table:
    columns = {name: counted[name].to_numpy() for name in counted.column_names if name != "key"}
    return from_columns(columns, target=target, ids=counted["key"].to_pylist())
