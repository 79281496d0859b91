"""JSON lines, one object on a line, and the lines that are none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from admin.importers.rows import Problem
from admin.importers.tables import Record


def read_objects(text: str) -> tuple[list[tuple[int, Mapping[str, Any]]], list[Problem]]:
    """Line number and object of each line that is not blank, and the bad lines."""
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(number, "not-json", {"error": str(error)[:80]}))
            continue
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            problems.append(Problem(number, "not-json", {"error": type(value).__name__}))
    return rows, problems


def read_json_lines(text: str) -> tuple[list[Record], list[Problem]]:
    """The same as records: names in lower case, values as texts."""
    rows, problems = read_objects(text)
    records = [
        Record(
            number,
            {str(key).lower(): "" if item is None else str(item) for key, item in row.items()},
        )
        for number, row in rows
    ]
    return records, problems
