"""Purchases out of the events, as the file that the model of values reads."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from admin.batch.counters import DAY_S
from admin.batch.event_export import day_name
from admin.batch.kernels import PAIRS, SCALE, counter_pairs

HEAD: Final = ("customer", "date", "amount")


def write_purchases(
    daft: ModuleType, events: Any, path: Path, *, event: str, counter: str, until: float
) -> int:
    """A CSV row for each event ``event`` that carries ``counter``, its amount; how many.

    Args:
        daft: the engine.
        events: as ``read_events`` gives them.
        path: where to write.
        event: name of a purchase.
        counter: its amount.
        until: later events are left out.
    """

    @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(PAIRS))  # type: ignore[untyped-decorator]
    def pairs(counters: Any) -> Any:
        return counter_pairs(counters.to_arrow())

    col = daft.col
    bought = events.where((col("name") == event) & (col("at") <= until))
    each = bought.select(col("key"), col("at"), pairs(col("counters")).alias("pair")).explode(
        "pair"
    )
    each = each.where(col("pair").not_null())
    found = each.where(col("pair")["name"] == counter).select(
        col("key"), col("at"), col("pair")["millionths"].alias("amount")
    )
    rows = found.sort(["key", "at", "amount"]).to_arrow()
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEAD)
        for key, at, amount in zip(
            *(rows[name].to_pylist() for name in rows.column_names), strict=True
        ):
            out.writerow((key, day_name(int(at // DAY_S)), f"{amount / SCALE:.6f}"))
    return int(rows.num_rows)
