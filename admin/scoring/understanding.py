"""What was understood of an uploaded table: ``python -m admin.scoring.understanding FILE ORDERS``.

A process of its own, since a large file takes seconds: reads the table, prints one JSON object
(``Understood``) and ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from admin.insights.notices import Notice
from admin.insights.table import Column, Table, read_table
from admin.scoring.orders import TableOrders, Understood, in_words
from bot.errors import NeurobotError
from nlp.metrics import auroc

_LEAK_AUC: Final = 0.99


def understand(path: Path, orders: TableOrders) -> Understood:
    """Columns, warnings, and with a target how many did it; a problem in words, never an error."""
    try:
        table = read_table(
            path,
            target=orders.column or None,
            positive=orders.positive or None,
            id_column=orders.id_column or None,
            drop=orders.drop,
        )
    except NeurobotError as error:
        columns: tuple[dict[str, Any], ...] = ()
        if orders.column:
            # The target is the trouble, not the file: it can be chosen anew.
            columns = understand(path, TableOrders(orders.name)).columns
        return Understood(columns=columns, problem=in_words(error, path, orders.name))
    return Understood(
        rows=table.n_rows,
        positives=0 if table.target is None else int(table.target.sum()),
        positive=table.positive,
        columns=tuple(table.understood()),
        warnings=tuple(notice.as_json for notice in (*table.notices, *_leaks(table))),
    )


def _leaks(table: Table) -> list[Notice]:
    """Counters that alone tell nearly everything; the training looks closer."""
    if table.target is None:
        return []
    found = []
    for column in table.counters:
        values = _ranked(column, table)
        known = ~np.isnan(values)
        truth = table.target[known]
        if truth.any() and not truth.all():
            auc = auroc(values[known], truth)
            if max(auc, 1 - auc) > _LEAK_AUC:
                found.append(Notice("leak", {"column": column.name, "auc": max(auc, 1 - auc)}))
    return found


def _ranked(column: Column, table: Table) -> Any:
    """Numbers as they are; of categories the share that did it."""
    if not column.levels or table.target is None:
        return column.values.astype(np.float64)
    shares = np.full(len(column.values), np.nan)
    for code in range(len(column.levels)):
        own = column.values == code
        if own.any():
            shares[own] = table.target[own].mean()
    return shares


def main(path: Path, orders: str) -> int:
    """Print what was understood."""
    os.nice(10)
    found = understand(path, msgspec.json.decode(orders, type=TableOrders))
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
