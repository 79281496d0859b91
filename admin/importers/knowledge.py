"""A knowledge base from CSV: ``question,answer`` and optionally ``category``, ``lang``."""

from __future__ import annotations

from pathlib import Path

from admin.importers.decoding import decode, read_file
from admin.importers.rows import (
    MAX_ANSWER,
    MAX_CATEGORY,
    MAX_QUESTION,
    KnowledgeRow,
    Parsed,
    Problem,
    text_problem,
)
from admin.importers.tables import Record, read_table
from nlp.text import guess_language

LANGUAGES = ("ru", "en")


def read_knowledge(path: Path, *, language: str = "") -> Parsed[KnowledgeRow]:
    """Rows of a file.

    Raises:
        BadData: the file cannot be read as a whole; bad lines alone are in ``problems``.
    """
    text, encoding = read_file(path)
    return _parse(text, encoding, language)


def parse_knowledge(data: bytes, *, language: str = "") -> Parsed[KnowledgeRow]:
    """Rows of an uploaded file.

    Raises:
        BadData: as ``read_knowledge``.
    """
    text, encoding = decode(data)
    return _parse(text, encoding, language)


def _parse(text: str, encoding: str, language: str) -> Parsed[KnowledgeRow]:
    records, problems = read_table(text, ("question", "answer"))
    rows: list[KnowledgeRow] = []
    for record in records:
        found = _problem(record)
        if found:
            problems.append(found)
        else:
            rows.append(_row(record, language))
    problems.sort(key=lambda problem: problem.line)
    return Parsed(tuple(rows), tuple(problems), encoding)


def _problem(record: Record) -> Problem | None:
    checks = (
        ("question", MAX_QUESTION, True),
        ("answer", MAX_ANSWER, True),
        ("category", MAX_CATEGORY, False),
    )
    for column, limit, required in checks:
        found = text_problem(
            record.line, column, record.values.get(column, ""), limit, required=required
        )
        if found:
            return found
    return None


def _row(record: Record, language: str) -> KnowledgeRow:
    values = record.values
    answer = values["answer"].strip()
    named = values.get("lang", "").strip().lower()
    return KnowledgeRow(
        line=record.line,
        question=values["question"].strip(),
        answer=answer,
        category=values.get("category", "").strip(),
        language=named if named in LANGUAGES else language or guess_language(answer) or "",
    )
