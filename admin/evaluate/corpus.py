"""A folder of questions and answers: ``questions.jsonl[.gz]`` and ``answers.jsonl[.gz]``.

Nothing is guessed: what is wrong is named with its file and line.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from bot.errors import BadData
from nlp.text import normalise

SPLITS: Final = ("train", "dev", "test")
_SHOWN: Final = 20
_MOST: Final = 1000
_MAX_BYTES: Final = 1024 * 1024 * 1024  # unpacked; a larger file is no question file

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the folder."""

    id: str
    text: str
    title: str = ""
    category: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the ids of its right answers (none: nothing here answers it)."""

    text: str
    answers: tuple[str, ...]
    split: str = ""
    fold: int | None = None
    pool: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Answers, and the questions of each part.

    ``fold`` is the tested one, if folds decide, of all the ``folds``.
    """

    answers: tuple[Answer, ...]
    train: tuple[Question, ...]
    dev: tuple[Question, ...]
    test: tuple[Question, ...]
    fold: int | None
    also_in_train: int
    folds: tuple[int, ...] = ()


class BadLine(Exception):
    """Why a line cannot be used."""


def read_corpus(folder: Path, *, fold: int | None = None) -> Corpus:
    """The folder, with equal questions of a part as one.

    Args:
        folder: the two files.
        fold: tested fold; the next one is ``dev``, after the last comes the first. None: by
            ``split``, or fold 0 where there are only folds. Questions with neither are tested.

    Raises:
        BadData: a file is missing, or a line cannot be used; the text says which and why.
    """
    if not folder.is_dir():
        raise BadData(f"There is no folder {folder}.", remedy="Check the name.")
    answers = read_lines(_file(folder, "answers"), _answer)
    counts = Counter(answer.id for answer in answers)
    identifier, times = counts.most_common(1)[0]
    if times > 1:
        raise BadData(f"answers: the id '{identifier}' stands on several lines.")
    known = set(counts)
    questions = read_lines(_file(folder, "questions"), lambda row: _question(row, known))
    parts, fold = _parts(questions, fold)
    folds = () if fold is None else sorted({question.fold or 0 for question in questions})
    merged = {name: _merge(parts[name]) for name in SPLITS}
    if not merged["test"]:
        raise BadData(
            "questions: no question is in 'test'.", remedy="Give them a 'split' or a 'fold'."
        )
    trained = {normalise(question.text) for question in merged["train"]}
    return Corpus(
        tuple(answers),
        merged["train"],
        merged["dev"],
        merged["test"],
        fold,
        sum(normalise(question.text) in trained for question in merged["test"]),
        tuple(folds),
    )


def _file(folder: Path, name: str) -> Path:
    for ending in (".jsonl", ".jsonl.gz"):
        if (folder / f"{name}{ending}").is_file():
            return folder / f"{name}{ending}"
    raise BadData(
        f"{folder} holds neither {name}.jsonl nor {name}.jsonl.gz.",
        remedy="The folder needs answers.jsonl and questions.jsonl, packed or not.",
    )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                data = file.read(_MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadData(f"{path} is not a whole gzip file: {error}.") from None
    except OSError as error:
        raise BadData(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _MAX_BYTES:
        raise BadData(f"{path} holds more than {_MAX_BYTES // 1024**2} MB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadData(f"{path} is not UTF-8: line {line}.", remedy="Save it as UTF-8.") from None


def read_lines(path: Path, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """Rows of a JSONL file, packed with gzip or not.

    Args:
        path: the file.
        read: a row of an object; raises ``BadLine`` where it cannot be used.

    Raises:
        BadData: it cannot be read, is empty, or has bad lines; the text names them.
    """
    rows: list[T] = []
    problems: list[str] = []
    for number, row in _objects(_text(path)):
        try:
            rows.append(read(row()))
        except BadLine as reason:
            problems.append(f"line {number}: {reason}")
        if len(problems) >= _MOST:
            break
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        listed = "\n  ".join([*problems[:_SHOWN], *more])
        raise BadData(f"{path}: {len(problems)} bad lines:\n  {listed}")
    if not rows:
        raise BadData(f"{path} is empty.")
    return rows


def _objects(text: str) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Line number, and what parses the line or says what is wrong with it."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, partial(_object, line)


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {str(error)[:80]}") from None
    if not isinstance(value, dict):
        raise BadLine("not a JSON object")
    return value


def text_of(row: dict[str, Any], key: str, *, required: bool) -> str:
    """The text under ``key``, empty where it may be missing."""
    value = row.get(key)
    if value is None and not required:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and key == "id":
        return str(value)
    if not isinstance(value, str):
        raise BadLine(f"'{key}' is missing" if value is None else f"'{key}' is not a text")
    if required and not value.strip():
        raise BadLine(f"'{key}' is empty")
    return value


def _ids(row: dict[str, Any], key: str, known: set[str], *, required: bool) -> tuple[str, ...]:
    value = row.get(key)
    if value is None and not required:
        return ()
    if not isinstance(value, list):
        raise BadLine(f"'{key}' is missing" if value is None else f"'{key}' is not a list of ids")
    ids = tuple(dict.fromkeys(str(one) for one in value))
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise BadLine(f"'{key}' names '{unknown[0]}', and no answer has this id")
    return ids


def _answer(row: dict[str, Any]) -> Answer:
    return Answer(
        text_of(row, "id", required=True),
        text_of(row, "text", required=True),
        text_of(row, "title", required=False),
        text_of(row, "category", required=False),
        text_of(row, "lang", required=False),
    )


def _question(row: dict[str, Any], known: set[str]) -> Question:
    split, fold = text_of(row, "split", required=False), row.get("fold")
    if split and split not in SPLITS:
        raise BadLine(f"'split' is '{split}'; it may be {', '.join(SPLITS)}")
    if fold is not None and (not isinstance(fold, int) or isinstance(fold, bool) or fold < 0):
        raise BadLine("'fold' is not a whole number from 0")
    return Question(
        text_of(row, "question", required=True),
        _ids(row, "answers", known, required=True),
        split,
        fold,
        _ids(row, "pool", known, required=False),
    )


def _parts(
    questions: Sequence[Question], fold: int | None
) -> tuple[dict[str, list[Question]], int | None]:
    """Questions by part, and the fold that is tested where folds decide."""
    folds = sorted({question.fold for question in questions if question.fold is not None})
    with_split = sum(bool(question.split) for question in questions)
    if fold is None and folds and not with_split:
        fold = folds[0]
    if fold is not None and fold not in folds:
        listed = ", ".join(map(str, folds)) or "none"
        raise BadData(f"questions: there is no fold {fold}; found: {listed}.")
    parts: dict[str, list[Question]] = {name: [] for name in SPLITS}
    if fold is None:
        if with_split not in {0, len(questions)}:
            raise BadData("questions: some have a 'split' and some have none.")
        for question in questions:
            parts[question.split or "test"].append(question)
        return parts, None
    if any(question.fold is None for question in questions):
        raise BadData("questions: some have a 'fold' and some have none.")
    after = folds[(folds.index(fold) + 1) % len(folds)]
    for question in questions:
        where = "test" if question.fold == fold else "dev" if question.fold == after else "train"
        parts[where].append(question)
    return parts, fold


def _merge(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Equal questions as one with the right answers and pools of all."""
    merged: dict[str, Question] = {}
    for question in questions:
        key = normalise(question.text)
        known = merged.get(key)
        merged[key] = question if known is None else replace(
            known,
            answers=tuple(dict.fromkeys((*known.answers, *question.answers))),
            pool=tuple(dict.fromkeys((*known.pool, *question.pool))),
        )  # fmt: skip
    return tuple(merged.values())
