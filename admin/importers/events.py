"""Events from CSV, JSON lines or Parquet, with a reason for each line that is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from admin.importers.decoding import read_file
from admin.importers.json_lines import loads, read_objects
from admin.importers.rows import MAX_PROBLEMS, Parsed, Problem
from admin.importers.tables import read_table
from bot.event import Event

_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Event))
_AHEAD_S = 86_400.0


def read_events(path: Path, now: float) -> Parsed[Event]:
    """The events of ``path``; its ending says what it is: .parquet, .jsonl or .ndjson, else CSV.

    Needed are ``name`` and ``at`` (epoch seconds or ISO 8601); ``counters`` is a JSON object. A row
    without ``id`` gets one by its place and content, so the same file twice is stored once.

    Raises:
        BadData, TooLarge: the file cannot be read.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        from admin.batch.event_import import read_rows  # noqa: PLC0415 - an extra

        return _parsed(enumerate(read_rows(path), 1), [], "utf-8", now)
    text, encoding = read_file(path)
    if kind in {".jsonl", ".ndjson", ".json"}:
        rows, problems = read_objects(text)
        return _parsed(rows, problems, encoding, now)
    records, problems = read_table(text, ("name", "at"))
    return _parsed(((r.line, _cells(r.values)) for r in records), problems, encoding, now)


def _parsed(
    rows: Iterable[tuple[int, Mapping[str, Any]]],
    problems: list[Problem],
    encoding: str,
    now: float,
) -> Parsed[Event]:
    events: list[Event] = []
    for line, row in rows:
        if len(problems) > MAX_PROBLEMS:
            break
        event = _event(line, row, now)
        if isinstance(event, Problem):
            problems.append(event)
        else:
            events.append(event)
    problems.sort(key=lambda problem: problem.line)
    return Parsed(tuple(events), tuple(problems[: MAX_PROBLEMS + 1]), encoding)


def _cells(values: Mapping[str, str]) -> dict[str, Any]:
    """A row of a table: empty cells are left out, other columns than an event's ignored."""
    return {
        name: value.strip() for name, value in values.items() if name in _FIELDS and value.strip()
    }


def _event(line: int, row: Mapping[str, Any], now: float) -> Event | Problem:
    fields = dict(row)
    for column in ("name", "at"):
        if row.get(column) in (None, ""):  # a list has no hash
            return Problem(line, "empty-field", {"column": column})
    if problem := _set_time(line, fields, now) or _set_counters(line, fields):
        return problem
    if not fields.get("id"):
        fields["id"] = _id(line, row)
    if found := next((n for n, v in fields.items() if isinstance(v, str) and "\x00" in v), None):
        return Problem(line, "null-character", {"column": found})
    try:
        return msgspec.convert(fields, Event)
    except msgspec.ValidationError as error:
        return Problem(line, "bad-event", {"error": str(error)})


def _set_time(line: int, fields: dict[str, Any], now: float) -> Problem | None:
    at = _seconds(fields["at"])
    if at is None:
        return Problem(line, "not-a-time", {"column": "at"})
    if at > now + _AHEAD_S:
        return Problem(line, "in-the-future", {"column": "at"})
    fields["at"] = min(at, now)
    return None


def _set_counters(line: int, fields: dict[str, Any]) -> Problem | None:
    counters = fields.get("counters")
    if isinstance(counters, str):
        try:
            counters = loads(counters)
        except (ValueError, RecursionError) as error:
            return Problem(line, "not-json", {"error": f"counters: {str(error)[:80]}"})
    if isinstance(counters, dict):
        fields["counters"] = {key: value for key, value in counters.items() if value is not None}
    return None


def _seconds(value: Any) -> float | None:
    """Epoch seconds of a number, of its text, or of a time in ISO 8601 (UTC where it says none)."""
    try:
        return float(value)
    except OverflowError:
        return None
    except (TypeError, ValueError):
        pass
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def _id(line: int, row: Mapping[str, Any]) -> str:
    text = json.dumps([line, sorted(row.items())], ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
