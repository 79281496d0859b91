"""Files of an evaluation read with the importers' strictness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from admin.evaluate.classifier import Plan
from admin.importers.decoding import read_file
from admin.importers.knowledge import read_knowledge
from admin.importers.rows import TicketRow, describe
from admin.importers.tables import read_table
from admin.importers.tickets import read_tickets
from bot.errors import BadData
from bot.settings import Preset


def classifier_plan(
    train: Path,
    test: Path | None,
    *,
    valid: Path | None,
    oos: Path | None,
    knowledge: Path | None,
    unlabelled: Path | None,
    preset: Preset,
    seeds: int,
    folds: int,
    variants: Sequence[str],
) -> Plan:
    """What ``admin.evaluate.classifier`` works on.

    Raises:
        BadData: a file or a line of it cannot be read, or there is too little to train on.
    """
    tickets, without_text = _tickets(train)
    asked, asked_without = _tickets(test) if test is not None else ((), 0)
    rows = read_knowledge(knowledge).accepted(partial=False) if knowledge is not None else ()
    categories = {row.category for row in tickets}
    if len(categories) < 2:
        raise BadData(f"{train}: all tickets are of one category; two are needed.")
    if folds > len(tickets) or len(tickets) < 10:
        raise BadData(f"{train}: {len(tickets)} tickets are too few to train on and to judge.")
    if rows and not any(row.category for row in rows):
        raise BadData(
            f"{knowledge}: no row has a category.", remedy="Add the column 'category' to it."
        )
    return Plan(
        train=tickets,
        test=asked,
        valid=_tickets(valid)[0] if valid is not None else (),
        oos=read_texts(oos) if oos is not None else (),
        knowledge=rows,
        unlabelled=read_texts(unlabelled) if unlabelled is not None else (),
        preset=preset,
        seeds=seeds,
        folds=folds,
        variants=variants,
        without_text=without_text + asked_without,
    )


def _tickets(path: Path) -> tuple[tuple[TicketRow, ...], int]:
    """Tickets, and how many lines had no text: nothing to train on or to ask, so passed over.

    Raises:
        BadData: a line is bad in any other way.
    """
    read = read_tickets(path)
    empty = all(problem.text == "'text' is empty" for problem in read.problems)
    return read.accepted(partial=empty), len(read.problems)


def read_texts(path: Path) -> tuple[str, ...]:
    """Texts without categories: lines of ``.txt``, ``text`` of ``.jsonl`` or of a CSV.

    Raises:
        BadData: the file cannot be read, a line of it is bad, or there is no text in it.
    """
    content, _ = read_file(path)
    suffix = path.suffix.lower()
    if suffix == ".txt":
        texts = content.splitlines()
    elif suffix in {".jsonl", ".ndjson"}:
        texts = [
            _json_text(path, number, line) for number, line in enumerate(content.split("\n"), 1)
        ]
    else:
        records, problems = read_table(content, ("text",))
        if problems:
            raise BadData(f"{path}: {describe(problems)}")
        texts = [record.values["text"] for record in records]
    kept = tuple(text.strip() for text in texts if text.strip())
    if not kept:
        raise BadData(f"{path} holds no text.")
    return kept


def _json_text(path: Path, number: int, line: str) -> str:
    if not line.strip():
        return ""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path}, line {number}: not JSON: {str(error)[:80]}") from None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise BadData(f"{path}, line {number}: there is no 'text'.")
    return text
