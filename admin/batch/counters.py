"""The job "counters": what each company, or customer without one, did in a window and before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from admin.batch.kernels import PAIRS, SCALE, changes, counter_pairs, filled

DAY_S: Final = 86_400.0
# Names of the events that stand for something the desk or every product knows.
LOGIN: Final = "login"
TICKET, MESSAGE, VERDICT = "support.ticket", "support.message", "support.verdict"
_SUMS: Final = {"logins": LOGIN, "tickets": TICKET, "messages": MESSAGE, "verdicts": VERDICT}
_BASE: Final = ("days_active", "events", "tools", *_SUMS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is counted.

    Attributes:
        as_of: epoch seconds; nothing later is looked at.
        windows_days: lengths of the windows that end there.
        most_counters: so many named counters at most, those of the most events.
    """

    as_of: float
    windows_days: tuple[int, ...] = (7, 28)
    most_counters: int = 20


def read_events(daft: ModuleType, folder: Path, desk: pa.Table | None = None) -> Any:
    """Events of all days as a frame of ``key``, ``at``, ``name``, ``counters``.

    ``key`` is ``company:NAME`` or ``customer:NAME``; events of strangers are left out.

    Args:
        daft: the engine.
        folder: ``day=YYYY-MM-DD/part-*.parquet``.
        desk: more rows with the columns ``at``, ``name``, ``customer``, ``company``, ``counters``.
    """
    columns = ["at", "name", "customer", "company", "counters"]
    events = daft.read_parquet(f"{folder}/*/*.parquet").select(*columns)
    if desk is not None and desk.num_rows:
        events = events.concat(daft.from_arrow(desk.select(columns)).select(*columns))
    when, lit = daft.functions.when, daft.lit
    key = when(events["company"] != "", lit("company:") + events["company"]).otherwise(
        lit("customer:") + events["customer"]
    )
    known = events.where((events["company"] != "") | (events["customer"] != ""))
    return known.select(key.alias("key"), known["at"], known["name"], known["counters"])


def members(daft: ModuleType, folder: Path) -> dict[str, str]:
    """The company of each customer: the newest that an event named, by name where two are new."""
    events = daft.read_parquet(f"{folder}/*/*.parquet").select("at", "customer", "company")
    known = events.where((events["company"] != "") & (events["customer"] != ""))
    found = known.groupby("customer", "company").agg(known["at"].max().alias("at")).to_pydict()
    rows = sorted(zip(found["at"], found["company"], found["customer"], strict=True))
    return {customer: company for _, company, customer in rows}


def count(daft: ModuleType, events: Any, plan: Plan) -> pa.Table:
    """Counters of every subject that was seen in the longest window or the one before it.

    Returns:
        ``key`` and, for each window of W days, ``NAME.Wd`` and ``NAME.Wd.change`` (-1..9), ordered
        by key. NAME is one of ``days_active``, ``events``, ``tools`` (distinct names), ``logins``,
        ``tickets``, ``messages``, ``verdicts`` or ``sum.COUNTER``. Then ``idle_days`` and
        ``known_days``, at most twice the longest window: beyond it everybody is an old customer,
        whenever one looks.
    """
    col, ints = daft.col, daft.DataType.int64()
    # Whole days back from ``as_of``: a day ends where the window ends, in no time zone.
    aged = events.where(col("at") <= plan.as_of).with_column(
        "age", ((plan.as_of - col("at")) / DAY_S).floor().cast(ints)
    )
    span = 2 * max(plan.windows_days)
    seen = aged.groupby("key").agg(
        col("age").min().alias("idle_days"), col("age").max().alias("known_days")
    )
    ends = seen.where(col("idle_days") < span).sort("key").to_arrow()
    keys = ends["key"].combine_chunks()
    columns: dict[str, pa.Array] = {}
    recent = aged.where(col("age") < span).collect()
    names = _used_counters(daft, recent, plan.most_counters)
    for days in plan.windows_days:
        columns |= _window(daft, recent, keys, days, names)
    pairs = {
        f"{name}.change": (name, f"{name}.before") for name in columns if ".before" not in name
    }
    table = changes(pa.table({"key": keys, **columns}), pairs)
    shown = [name for name in table.column_names if not name.endswith(".before")]
    table = table.select(shown)
    for name in ("idle_days", "known_days"):
        days = pc.min_element_wise(ends[name], span).cast(pa.float64())
        table = table.append_column(name, days)
    return table


def _window(
    daft: ModuleType, recent: Any, keys: pa.Array, days: int, names: list[str]
) -> dict[str, pa.Array]:
    """Counters of the window and of the one before it, for each of ``keys``."""
    col, ints = daft.col, daft.DataType.int64()
    found: dict[str, pa.Array] = {}
    for slot, ending in ((0, ""), (1, ".before")):
        low, high = slot * days, (slot + 1) * days
        frame = recent.where((col("age") >= low) & (col("age") < high))
        base = frame.groupby("key").agg(
            col("age").count_distinct().alias("days_active"),
            col("name").count().alias("events"),
            col("name").count_distinct().alias("tools"),
            *((col("name") == event).cast(ints).sum().alias(name) for name, event in _SUMS.items()),
        )
        table = base.to_arrow()
        found |= {f"{name}.{days}d{ending}": filled(keys, table, name) for name in _BASE}
        sums = _named(daft, frame).groupby("key", "name").agg(col("value").sum().alias("value"))
        long = sums.to_arrow()
        for name in names:
            part = long.filter(pc.equal(long["name"], name))
            values = filled(keys, part, "value")
            found[f"sum.{name}.{days}d{ending}"] = pc.divide(values, float(SCALE))
    return found


def _named(daft: ModuleType, frame: Any) -> Any:
    """A row for each named counter of each event: ``key``, ``name``, ``value`` in millionths."""

    @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(PAIRS))  # type: ignore[untyped-decorator]
    def pairs(counters: Any) -> pa.Array:
        return counter_pairs(counters.to_arrow())

    col = daft.col
    some = frame.where((col("counters") != "{}") & (col("counters") != ""))
    each = some.select(col("key"), pairs(col("counters")).alias("pair")).explode("pair")
    each = each.where(col("pair").not_null())
    return each.select(
        col("key"), col("pair")["name"].alias("name"), col("pair")["millionths"].alias("value")
    )


def _used_counters(daft: ModuleType, recent: Any, most: int) -> list[str]:
    """The names of most events, by name where two have as many."""
    col = daft.col
    found = _named(daft, recent).groupby("name").agg(col("key").count().alias("n")).to_pydict()
    ranked = sorted(zip(found["name"], found["n"], strict=True), key=lambda row: (-row[1], row[0]))
    return sorted(name for name, _ in ranked[:most])


def happened(
    daft: ModuleType, events: Any, name: str, after: float, until: float
) -> Mapping[str, int]:
    """How often each subject did ``name`` (empty: anything), ``after`` < at <= ``until``."""
    col = daft.col
    frame = events.where((col("at") > after) & (col("at") <= until))
    if name:
        frame = frame.where(col("name") == name)
    found = frame.groupby("key").agg(col("at").count().alias("n")).to_pydict()
    return dict(zip(found["key"], found["n"], strict=True))


def last_at(daft: ModuleType, events: Any, now: float) -> float | None:
    """When the newest event happened that is not of the future; None where there is none."""
    col = daft.col
    found = events.where(col("at") <= now).agg(col("at").max().alias("at")).to_pydict()["at"]
    return found[0] if found else None
