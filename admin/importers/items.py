"""Items for recommendations from CSV or JSONL: ``id,title`` and what else is known of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from admin.importers.decoding import read_file
from admin.importers.json_lines import read_json_lines
from admin.importers.rows import MAX_PROBLEMS, Parsed, Problem, text_problem
from admin.importers.tables import Record, read_table
from bot.store.items import ItemKind

KINDS: Final[Mapping[str, ItemKind]] = MappingProxyType({
    "": "page", "page": "page", "article": "article", "product": "product",
})  # fmt: skip
_DAY_S: Final = 86_400.0
_MOST_DAYS: Final = 100_000
_COLUMNS: Final = (
    ("id", 200, True),
    ("title", 500, True),
    ("description", 20_000, False),
    ("path", 500, False),
    ("url", 2_000, False),
)


class ItemRow(msgspec.Struct, frozen=True):
    """One item. ``renewable_s``: seconds after which it may be offered again; None: never."""

    line: int
    id: str
    title: str
    kind: ItemKind
    description: str
    path: str
    url: str
    renewable_s: float | None


def read_items(path: Path) -> Parsed[ItemRow]:
    """Rows of a file; ``.jsonl`` holds one object on a line, anything else is CSV.

    Columns: id, title, and optionally kind (page, article or product), description, path
    (section/subsection/name), url and renewable_days.

    Raises:
        BadData: the file cannot be read as a whole; bad lines alone are in ``problems``.
    """
    text, encoding = read_file(path)
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        records, problems = read_json_lines(text)
    else:
        records, problems = read_table(text, ("id", "title"))
    rows: list[ItemRow] = []
    for record in records:
        row = _row(record)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append(row)
    problems.sort(key=lambda problem: problem.line)
    return Parsed(tuple(rows), tuple(problems[: MAX_PROBLEMS + 1]), encoding)


def _row(record: Record) -> ItemRow | Problem:
    values = {name: value.strip() for name, value in record.values.items()}
    for column, limit, required in _COLUMNS:
        found = text_problem(record.line, column, values.get(column, ""), limit, required=required)
        if found:
            return found
    named = values.get("kind", "").lower()
    if named not in KINDS:
        return Problem(record.line, "unknown-kind", {"kind": named[:40]})
    url = values.get("url", "")
    if url and not url.startswith(("https://", "http://", "/")):
        return Problem(record.line, "not-an-address", {"column": "url"})
    days = _days(values.get("renewable_days", ""))
    if days is None:
        return Problem(record.line, "not-a-number", {"column": "renewable_days"})
    return ItemRow(
        line=record.line,
        id=values["id"],
        title=" ".join(values["title"].split()),
        kind=KINDS[named],
        description=values.get("description", ""),
        path=values.get("path", "").strip("/"),
        url=url,
        renewable_s=days * _DAY_S if days >= 0 else None,
    )


def _days(text: str) -> float | None:
    """The number of days, below zero where none is given, None where it is no number."""
    if not text:
        return -1.0
    try:
        days = float(text.replace(",", "."))
    except ValueError:
        return None
    return days if math.isfinite(days) and 0 <= days <= _MOST_DAYS else None
