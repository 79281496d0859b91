"""Kernels of the batch work: pure functions from Arrow to Arrow, without an engine."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Sums of whole millionths do not depend on their order, so every runner gives the same.
SCALE: Final = 1_000_000
_MOST: Final = 2**62 // SCALE
PAIRS: Final = pa.list_(pa.struct([("name", pa.string()), ("millionths", pa.int64())]))


def counter_pairs(counters: pa.Array) -> pa.Array:
    """Names and values, in whole millionths, of counters that are JSON objects.

    Gives a list for each of the input's strings; what is no object and what is no finite number
    counts nothing.
    """
    return pa.array([_pairs(text) for text in counters.to_pylist()], type=PAIRS)


def _pairs(text: str | None) -> list[dict[str, Any]]:
    if not text or text == "{}":
        return []
    try:
        found = json.loads(text)
    except ValueError:
        return []
    if not isinstance(found, dict):
        return []
    return [
        {"name": str(name), "millionths": round(value * SCALE)}
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value) and abs(value) < _MOST
    ]


def filled(keys: pa.Array, part: pa.Table, column: str) -> pa.Array:
    """Values of ``column`` as float64 for each of ``keys``; 0.0 where ``part`` has no row.

    Args:
        keys: distinct strings.
        part: a column ``key``, each at most once; keys that are not asked for are left out.
        column: name of the values' column.
    """
    values = np.zeros(len(keys))
    place = pc.index_in(part["key"].cast(pa.large_string()), value_set=keys.cast(pa.large_string()))
    known = place.is_valid().to_numpy()
    rows = place.fill_null(0).to_numpy()[known]
    values[rows] = part[column].cast(pa.float64()).to_numpy()[known]
    return pa.array(values)


def changes(table: pa.Table, pairs: Mapping[str, tuple[str, str]]) -> pa.Table:
    """``table`` with a column for each of ``pairs``: how a counter changed, -1..9.

    A pair names the counter now and in the window before. -0.6 is 60 % fewer; from nothing to
    something is 1.0; from nothing to nothing 0.0.
    """
    for name, (now, before) in pairs.items():
        table = table.append_column(
            name, pa.array(_change(table[now].to_numpy(), table[before].to_numpy()))
        )
    return table


def _change(now: npt.NDArray[np.float64], before: npt.NDArray[np.float64]) -> Any:
    start = np.where(before == 0, np.where(now == 0, 1.0, now / 2), before)
    return np.clip(np.where((now == 0) & (before == 0), 0.0, now / start - 1.0), -1.0, 9.0)


def numbers(table: pa.Table) -> tuple[list[str], dict[str, npt.NDArray[np.float64]]]:
    """The keys of a table of counters, and its other columns by name."""
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "key"}
    return table["key"].to_pylist(), columns
