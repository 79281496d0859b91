"""Past tickets from CSV or JSONL: ``text,category`` and what is known of the right answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from admin.importers.decoding import read_file
from admin.importers.json_lines import read_json_lines
from admin.importers.knowledge import LANGUAGES
from admin.importers.rows import (
    MAX_ANSWER,
    MAX_CATEGORY,
    MAX_PROBLEMS,
    MAX_QUESTION,
    Parsed,
    Problem,
    TicketRow,
    text_problem,
)
from admin.importers.tables import Record, read_table
from bot.domain import Article, Ticket
from nlp.text import guess_language

_COLUMNS = (
    ("text", MAX_QUESTION, True),
    ("category", MAX_CATEGORY, True),
    ("kb_answer", MAX_ANSWER, False),
    ("operator_answer", MAX_ANSWER, False),
)


def read_tickets(path: Path, *, language: str = "") -> Parsed[TicketRow]:
    """Rows of a file; ``.jsonl`` holds one object on a line, anything else is CSV.

    Raises:
        BadData: the file cannot be read as a whole; bad lines alone are in ``problems``.
    """
    text, encoding = read_file(path)
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        records, problems = read_json_lines(text)
    else:
        records, problems = read_table(text, ("text", "category"))
    rows: list[TicketRow] = []
    for record in records:
        row = _row(record, language)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append(row)
    problems.sort(key=lambda problem: problem.line)
    return Parsed(tuple(rows), tuple(problems[: MAX_PROBLEMS + 1]), encoding)


def _row(record: Record, language: str) -> TicketRow | Problem:
    values = record.values
    for column, limit, required in _COLUMNS:
        found = text_problem(record.line, column, values.get(column, ""), limit, required=required)
        if found:
            return found
    number = values.get("answer_id", "").strip()
    if number and not (number.isascii() and number.isdigit() and len(number) < 19):
        return Problem(record.line, "not-a-number", {"column": "answer_id"})
    text = values["text"].strip()
    named = values.get("lang", "").strip().lower()
    return TicketRow(
        line=record.line,
        text=text,
        category=values["category"].strip(),
        answer_id=int(number) if number else None,
        kb_answer=values.get("kb_answer", "").strip(),
        operator_answer=values.get("operator_answer", "").strip(),
        language=named if named in LANGUAGES else language or guess_language(text) or "",
    )


def same_text(text: str) -> str:
    """A text without the differences that do not matter: case and white space."""
    return " ".join(text.split()).casefold()


def match_answers(
    rows: Sequence[TicketRow], articles: Sequence[Article]
) -> tuple[list[Ticket], int]:
    """Tickets with the articles that answered them, and how many name an unknown answer."""
    by_text: Mapping[str, int] = {same_text(article.text): article.id for article in articles}
    known = {article.id for article in articles}
    tickets: list[Ticket] = []
    unmatched = 0
    for row in rows:
        answer_id = (
            row.answer_id if row.answer_id in known else by_text.get(same_text(row.kb_answer))
        )
        unmatched += answer_id is None and bool(row.kb_answer or row.answer_id is not None)
        tickets.append(
            Ticket(
                text=row.text,
                category=row.category,
                answer_id=answer_id,
                operator_answer=row.operator_answer,
                language=row.language,
            )
        )
    return tickets, unmatched
