"""What customers did at the desk, as events under their names on the site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pyarrow as pa


def desk_events(
    lines: Iterable[bytes], persons: Mapping[str, str], companies: Mapping[str, str]
) -> pa.Table:
    """The columns that ``read_events`` asks for, a row for each line.

    Args:
        lines: JSON objects with ``customer``, the desk's name, ``at`` and ``name``.
        persons: names on the site of customers who stand at the desk under another.
        companies: company of each customer of the site.
    """
    rows = [json.loads(line) for line in lines]
    customers = [persons.get(row["customer"], row["customer"]) for row in rows]
    texts = {
        "name": [row["name"] for row in rows],
        "customer": customers,
        "company": [companies.get(one, "") for one in customers],
        "counters": ["{}"] * len(rows),
    }
    return pa.table(
        {"at": pa.array([float(row["at"]) for row in rows], pa.float64())}
        | {name: pa.array(values, pa.string()) for name, values in texts.items()}
    )
