"""CSV as records with true line numbers, going on after a broken line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

import msgspec

from admin.importers.rows import MAX_PROBLEMS, Problem
from bot.errors import BadData

_DELIMITERS = ",;\t"
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_HEADER_LIMIT = 65_536  # characters of the first line


class Record(msgspec.Struct, frozen=True):
    """One row by column name, with the line it begins on."""

    line: int
    values: dict[str, str]


class _Lines(Iterator[str]):
    """Lines that can be read again from an earlier place."""

    def __init__(self, text: str) -> None:
        self.lines: list[str] = _LINE.findall(text)
        self.position = 0

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            raise StopIteration
        self.position += 1
        return self.lines[self.position - 1]


def read_table(text: str, required: Sequence[str]) -> tuple[list[Record], list[Problem]]:
    """Records of a CSV text and its bad lines; extra columns are kept, blank lines skipped.

    Args:
        text: the file; the delimiter is a comma, semicolon or tab, whichever fits the header.
        required: columns that must be there, in lower case.

    Raises:
        BadData: a required column is missing, the text names those that were found; or the first
            line is no header.
    """
    lines = _Lines(text)
    if lines.lines and len(lines.lines[0]) > _HEADER_LIMIT:
        raise BadData(
            "The first line is too long for names of columns.", remedy="Is this the right file?"
        )
    header, delimiter = _header(lines, required)
    records: list[Record] = []
    problems: list[Problem] = []
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while lines.position < len(lines.lines):
        if len(problems) >= MAX_PROBLEMS:
            problems.append(Problem(lines.position, "too-many", {"limit": MAX_PROBLEMS}))
            break
        start = lines.position
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error:
            problems.append(Problem(start + 1, "unbalanced-quote"))
            lines.position = start + 1
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if not any(field.strip() for field in fields):
            continue
        if len(fields) != len(header):
            params = {"found": len(fields), "expected": len(header)}
            problems.append(Problem(start + 1, "wrong-field-count", params))
            lines.position = (
                start + 1
            )  # an unclosed quote may have swallowed the good lines after it
            continue
        records.append(Record(start + 1, dict(zip(header, fields, strict=True))))
    return records, problems


def _header(lines: _Lines, required: Sequence[str]) -> tuple[list[str], str]:
    found: list[str] = []
    for delimiter in _DELIMITERS:
        lines.position = 0
        try:
            row = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration):
            continue
        names = [name.strip().lower() for name in row]
        if all(name in names for name in required):
            return names, delimiter
        if len(names) > len(found):
            found = names
    missing = [name for name in required if name not in found]
    listed = ", ".join(repr(name) for name in found[:10] if len(name) < 60) or "none"
    raise BadData(
        f"The header lacks the column{'s' if len(missing) > 1 else ''} "
        f"{', '.join(repr(name) for name in missing)}; found: {listed}.",
        remedy=f"The first line must name the columns: {','.join(required)}.",
    )
