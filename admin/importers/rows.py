"""What a file was read into: good rows with their line numbers, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from bot.errors import BadData

MAX_PROBLEMS = 1000
MAX_QUESTION = 4_000
MAX_ANSWER = 20_000
MAX_CATEGORY = 200
_SHOWN = 20

# The panel says the same in the viewer's language: "panel.problem.<code>" of the catalogue.
_TEXTS = {
    "empty-field": "'{column}' is empty",
    "null-character": "'{column}' holds a NUL character",
    "too-long": "'{column}' has {length} characters, {limit} are allowed",
    "wrong-field-count": "{found} fields where the header has {expected}",
    "unbalanced-quote": "a quotation mark is not closed, or stands in the middle of a field",
    "not-json": "not a JSON object: {error}",
    "not-a-number": "'{column}' is not a number",
    "unknown-kind": "'{kind}' is no kind: page, article or product",
    "not-an-address": "'{column}' does not begin with https://, http:// or /",
    "unknown-answer": "there is no article with the number {answer_id}",
    "not-a-time": "'{column}' is no time: give epoch seconds or ISO 8601",
    "in-the-future": "'{column}' is more than a day ahead",
    "bad-event": "no event: {error}",
    "too-many": "more than {limit} bad lines: is this the right file?",
}

T = TypeVar("T")


class Problem(msgspec.Struct, frozen=True):
    """One bad line. ``code`` is stable; ``params`` fill its text."""

    line: int
    code: str
    params: Mapping[str, str | int] = msgspec.field(default_factory=dict)

    @property
    def text(self) -> str:
        """The reason in English."""
        return _TEXTS[self.code].format(**self.params)


class Parsed(msgspec.Struct, Generic[T], frozen=True):
    """A file read to its end."""

    rows: tuple[T, ...]
    problems: tuple[Problem, ...]
    encoding: str

    def accepted(self, *, partial: bool) -> tuple[T, ...]:
        """The good rows.

        Raises:
            BadData: there are bad lines and ``partial`` is False, or nothing good is left.
        """
        if self.problems and not (partial and self.rows):
            raise BadData(describe(self.problems), remedy=_remedy(len(self.rows)))
        if not self.rows:
            raise BadData("There are no rows below the header.")
        return self.rows


class KnowledgeRow(msgspec.Struct, frozen=True):
    """One question of the knowledge base with its answer."""

    line: int
    question: str
    answer: str
    category: str
    language: str


class TicketRow(msgspec.Struct, frozen=True):
    """One past ticket. ``kb_answer`` is the text of the article that was right."""

    line: int
    text: str
    category: str
    answer_id: int | None
    kb_answer: str
    operator_answer: str
    language: str


def describe(problems: Iterable[Problem]) -> str:
    """The bad lines as text, the first of them one by one."""
    listed = list(problems)
    lines = [f"line {problem.line}: {problem.text}" for problem in listed[:_SHOWN]]
    if len(listed) > _SHOWN:
        lines.append(f"and {len(listed) - _SHOWN} more")
    return (
        f"{len(listed)} bad line{'s' if len(listed) != 1 else ''}, nothing was written:\n  "
        + "\n  ".join(lines)
    )


def _remedy(good: int) -> str:
    if good:
        return f"Correct them, or add --partial to import the {good} good lines."
    return "Correct them and import the file again."


def text_problem(
    line: int, column: str, value: str, limit: int, *, required: bool
) -> Problem | None:
    """What is wrong with one text of a row, if anything."""
    if required and not value.strip():
        return Problem(line, "empty-field", {"column": column})
    if "\x00" in value:
        return Problem(line, "null-character", {"column": column})
    if len(value) > limit:
        return Problem(line, "too-long", {"column": column, "length": len(value), "limit": limit})
    return None
