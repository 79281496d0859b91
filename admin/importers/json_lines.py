"""JSON lines, one object on a line, and the lines that are none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from admin.importers.rows import Problem
from admin.importers.tables import Record

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_objects(text: str) -> tuple[list[tuple[int, Mapping[str, Any]]], list[Problem]]:
    """Line number and object of each line that is not blank, and the bad lines."""
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(number, "not-json", {"error": str(error)[:80]}))
            continue
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            problems.append(Problem(number, "not-json", {"error": type(value).__name__}))
    return rows, problems


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, or a text in it holds half a character, which nothing can store.
        RecursionError: too deep.
    """
    value = json.loads(text)
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a character") from None
    return value


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
