"""A model from an uploaded table, and scores of those of its rows that have not done it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from admin.insights.propensity import fit, save
from admin.insights.table import read_table
from admin.scoring.orders import TABLE, Orders, Result, TableOrders
from admin.scoring.scores import nameless, report_of, write_scores

Tell = Callable[[str, float], None]


def run(orders: Orders, asked: TableOrders, folder: Path, tell: Tell) -> Result:
    """Write the scores into ``folder`` and the model where the orders say.

    A row whose outcome is known is scored by a model that has not seen it. Rows that did it are
    not scored: they are past flagging.

    Raises:
        BadData: the table cannot be read or learned from.
    """
    tell("reading", 0.02)
    path, ids = folder / TABLE, asked.id_column or None
    table = read_table(path, target=asked.column, positive=asked.positive or None, id_column=ids,
                       drop=asked.drop)  # fmt: skip
    tell("fitting", 0.15)
    fitted = fit(table, target=asked.column, tell=lambda what: tell(f"fitting: {what}", 0.5))
    save(nameless(fitted.model), Path(orders.model_folder))
    tell("scoring", 0.85)
    everybody = read_table(path, id_column=ids, drop=(*asked.drop, asked.column))
    proba = fitted.model.predict_proba(everybody)
    place = {one: row for row, one in enumerate(everybody.ids)}
    chosen = fitted.logistic if fitted.model.kind == "logistic" else fitted.boosting
    for row, unseen in zip(fitted.judged.tolist(), chosen.proba.tolist(), strict=True):
        proba[place[table.ids[row]]] = unseen
    assert table.target is not None  # noqa: S101
    did = {one for one, truth in zip(table.ids, table.target.tolist(), strict=True) if truth}
    left = np.array([row for one, row in place.items() if one not in did], dtype=np.int64)
    rows = everybody.rows(left)
    subjects = [f"{asked.subjects}:{one}" for one in rows.ids]
    write_scores(folder, orders, fitted.model, rows, subjects=subjects, proba=proba[left])
    threshold, report = report_of(fitted, orders.precision, ())
    report |= {"column": asked.column, "horizon_days": orders.horizon_days}
    return Result(orders.now, threshold, report)
