"""What customers are worth: from purchases, events or a table, to steps and BG/NBD beside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from admin.evaluate.clv import evaluate
from admin.insights.clv import ClvModel, Values, fit, save
from admin.insights.purchases import Purchases, read_purchases
from admin.scoring.orders import SCORES, TABLE, Orders, Result
from admin.scoring.scores import NOBODY
from bot.errors import BadData
from bot.store.insights import Score

Tell = Callable[[str, float], None]

_DAY_S = 86_400.0
_DECILES = 10


def run(orders: Orders, folder: Path, tell: Tell) -> Result:
    """Write the scores into ``folder`` and the model where the orders say.

    Raises:
        BadData: purchases cannot be read, or are too few.
    """
    tell("reading", 0.02)
    table = orders.table
    if table is None:
        _from_events(orders, folder, tell)
    today = datetime.fromtimestamp(orders.now, UTC).date()
    purchases = read_purchases(
        folder / TABLE,
        today=today,
        customer=table.id_column or None if table else None,
        date_column=table.date_column or None if table else None,
        amount=table.column or None if table else None,
    )
    tell("fitting", 0.2)
    report = evaluate(
        purchases, split=None, steps=(), seed=0, tell=lambda what: tell(f"fitting: {what}", 0.4)
    )
    model, _ = fit(purchases)
    save(model, Path(orders.model_folder))
    tell("scoring", 0.85)
    values = model.predict(purchases)
    _write(folder, table.subjects if table else "", purchases, values)
    return Result((purchases.last + 1) * _DAY_S, NOBODY, _report(report, model, values, orders))


def _from_events(orders: Orders, folder: Path, tell: Tell) -> None:
    # Only here, because a table needs no engine.
    from admin.batch import engine  # noqa: PLC0415

    engine.require()
    from admin.batch.counters import read_events  # noqa: PLC0415
    from admin.batch.purchases import write_purchases  # noqa: PLC0415
    from admin.scoring.from_events import exported  # noqa: PLC0415

    daft = engine.start(orders.engine)
    days = exported(orders, folder)
    tell("counting", 0.1)
    found = write_purchases(
        daft, read_events(daft, days), folder / TABLE, event=orders.event, counter=orders.counter,
        until=orders.now,
    )  # fmt: skip
    if not found:
        raise BadData(
            f"No event '{orders.event}' carries a counter '{orders.counter}'.",
            remedy="Send both with each purchase, or upload a table of purchases.",
        )


def _write(folder: Path, subjects: str, purchases: Purchases, values: Values) -> None:
    """A line for each customer; the names of events say themselves what they are."""
    prefix = f"{subjects}:" if subjects else ""
    with (folder / SCORES).open("wb") as out:
        for row, place in enumerate(values.customer.tolist()):
            reason: dict[str, Any] = {
                "steps": [round(one, 4) for one in values.proba[row].tolist()]
            }
            if values.bg_nbd is not None and values.alive is not None:
                reason |= {"bg_nbd": round(float(values.bg_nbd[row]), 4),
                           "alive": round(float(values.alive[row]), 4)}  # fmt: skip
            score = Score(
                f"{prefix}{purchases.customers[place]}",
                probability=float(1 - values.proba[row, 0]),
                value=float(values.expected[row]),
                reasons=(reason,),
            )
            out.write(msgspec.json.encode(score) + b"\n")


def _report(
    report: dict[str, Any], model: ClvModel, values: Values, orders: Orders
) -> dict[str, Any]:
    """For the page: figures, and what each tenth of today's customers may take as a step."""
    tenths = np.array_split(np.argsort(-values.expected, kind="stable"), _DECILES)
    warnings = [
        # Who it is stands in the list; a name here would outlive an erasure.
        {key: value for key, value in one.items() if key not in {"customer", "text"}}
        for one in report["warnings"]
    ]
    return {
        **{key: value for key, value in report.items() if key != "top"},
        "warnings": warnings,
        "stack": [
            [round(float(one), 4) for one in values.proba[rows].mean(axis=0)] if len(rows) else []
            for rows in tenths
        ],
        "expected": float(values.expected.sum()),
        "horizon_days": model.days_ahead,
        "event": orders.event,
        "counter": orders.counter,
    }
