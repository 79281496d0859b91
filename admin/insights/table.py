"""A table of customers and their counters, and what was understood of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from admin.insights.columns import Kind, Parsed, understand
from admin.insights.notices import Notice
from admin.insights.reading import read_columns
from bot.errors import BadData

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Role = Literal["counter", "target", "id", "left out"]

FEW_POSITIVES: Final = 50  # below this many of the rarer class figures are mostly chance
LEAST_POSITIVES: Final = 10  # two in each of five folds
_YES: Final = ("yes", "true", "1", "y", "да", "churned", "churn", "left", "ушел", "ушёл")


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was understood.

    Attributes:
        name: as the header spells it.
        kind: number, yes/no, category, date, id, constant or blank.
        role: what it is used for.
        values: numbers and yes/no as float32 with NaN for blank; else the place in ``levels`` as
            float32, NaN for blank. Shape (n_rows,).
        levels: texts of a category.
        distinct: how many different values there are; of numbers at most 1,001 are counted.
    """

    name: str
    kind: Kind
    role: Role
    values: Floats
    levels: tuple[str, ...] = ()
    distinct: int = 0

    @property
    def blanks(self) -> int:
        """How many fields are blank."""
        return int(np.isnan(self.values).sum())

    def understood(self) -> dict[str, Any]:
        """For a page: name, kind, role, blanks, distinct, and the range or the first levels."""
        found: dict[str, Any] = {
            "name": self.name, "kind": self.kind, "role": self.role, "blanks": self.blanks,
            "distinct": self.distinct,
        }  # fmt: skip
        if self.kind in {"number", "yes/no"} and self.blanks < len(self.values):
            found |= {
                "low": float(np.nanmin(self.values)), "high": float(np.nanmax(self.values)),
                "mean": float(np.nanmean(self.values, dtype=np.float64)),
            }  # fmt: skip
        if self.levels:
            found["levels"] = list(self.levels[:20])
        return found


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of customers.

    Attributes:
        columns: all that were in the file, those that are left out too.
        n_rows: customers.
        target: who did what is to be predicted; None where no target was named. Shape (n_rows,).
        positive: the value of the target that counts as yes.
        ids: the customer of each row: the column of ids, else line numbers from 1.
        notices: what was odd.
    """

    columns: tuple[Column, ...]
    n_rows: int
    target: Bools | None
    positive: str
    ids: tuple[str, ...]
    notices: tuple[Notice, ...] = ()

    @property
    def counters(self) -> tuple[Column, ...]:
        """The columns that a model may use."""
        return tuple(column for column in self.columns if column.role == "counter")

    def rows(self, chosen: NDArray[Any]) -> Table:
        """The chosen rows (places or a mask), columns understood as before."""
        columns = tuple(replace(one, values=one.values[chosen]) for one in self.columns)
        target = None if self.target is None else self.target[chosen]
        ids = tuple(np.asarray(self.ids, dtype=object)[chosen].tolist())
        return replace(self, columns=columns, n_rows=len(ids), target=target, ids=ids)

    def without(self, *names: str) -> Table:
        """The same with these counters left out."""
        columns = tuple(
            replace(one, role="left out") if one.name in names and one.role == "counter" else one
            for one in self.columns
        )
        return replace(self, columns=columns)

    def understood(self) -> list[dict[str, Any]]:
        """Every column for a page or a terminal."""
        return [column.understood() for column in self.columns]


def read_table(
    path: Path,
    *,
    target: str | None = None,
    positive: str | None = None,
    id_column: str | None = None,
    drop: Sequence[str] = (),
) -> Table:
    """Read a CSV (``,``, ``;`` or tab; UTF-8 or Windows-1251; decimal comma; ``.gz`` too).

    It is read in pieces: memory holds 4 bytes for each field and nothing of the text.

    Args:
        path: the file, at most ``reading.MAX_BYTES`` unpacked.
        target: the column to predict; None for a file to score.
        positive: its value that means yes; found out where it is plain (yes, 1, true, да).
        id_column: the customer's number or name; found out where it is not named.
        drop: columns to leave out.

    Raises:
        BadData: the file cannot be read, a named column is missing, the target has one value or
            more than two, or there are fewer than ``LEAST_POSITIVES`` of its rarer value.
    """
    named = [name for name in (target, id_column, *drop) if name]
    parsed, n_rows = read_columns(path, named=named, texts=[n for n in (target, id_column) if n])
    table = _table(parsed, n_rows, frozenset(drop), target=target, id_column=id_column)
    if target is None:
        return table
    own = next(one for one in parsed if one.name == target)
    return _with_target(table, own, positive, str(path))


def from_columns(
    columns: Mapping[str, Sequence[str] | NDArray[Any]],
    *,
    target: NDArray[np.bool_] | None = None,
    ids: Sequence[str] | None = None,
) -> Table:
    """A table of counters that are in memory already, understood as a file's columns are.

    Args:
        columns: name -> numbers (NaN for blank) or texts, all of one length.
        target: who did it.
        ids: customers; line numbers from 1 where missing.

    Raises:
        BadData: lengths differ, or the target is of one class.
    """
    parsed = [Parsed.of(name, values) for name, values in columns.items()]
    n_rows = len(parsed[0].values) if parsed else 0
    if any(len(one.values) != n_rows for one in parsed) or (
        target is not None and len(target) != n_rows
    ):
        raise BadData("The columns differ in length.")
    table = _table(parsed, n_rows, frozenset(), target=None, id_column=None)
    if ids is not None:
        table = replace(table, ids=tuple(ids))
    if target is None:
        return table
    notices = _judge_target(np.asarray(target, bool), "The target")
    return replace(table, target=np.asarray(target, bool), notices=(*table.notices, *notices))


def _table(
    parsed: Sequence[Parsed],
    n_rows: int,
    drop: frozenset[str],
    *,
    target: str | None,
    id_column: str | None,
) -> Table:
    columns: list[Column] = []
    notices: list[Notice] = []
    ids: tuple[str, ...] | None = None
    for one in parsed:
        kind = understand(one)
        role: Role = "counter" if kind in {"number", "yes/no", "category"} else "left out"
        if one.name == target:
            role = "target"
        elif one.name == id_column or (id_column is None and kind == "id" and ids is None):
            role, ids = "id", one.as_text()
        elif one.name in drop:
            role = "left out"
        else:
            notices += [Notice(code, params) for code, params in one.oddities(kind)]
        columns.append(Column(one.name, kind, role, one.values, one.levels, one.distinct))
    if ids is None:
        ids = tuple(map(str, range(1, n_rows + 1)))
    return Table(tuple(columns), n_rows, None, "", ids, tuple(notices))


def _with_target(table: Table, own: Parsed, positive: str | None, name: str) -> Table:
    """Rows with a known target; the positive value is the named one, else the plain yes.

    Raises:
        BadData: not two values, no such value, too few of one.
    """
    place = f"{name}: the target '{own.name}'"
    rows = np.bincount(own.codes[own.codes >= 0], minlength=len(own.levels)).tolist()
    counts = dict(zip(own.levels, rows, strict=True))
    listed = ", ".join(f"'{level}' ({count})" for level, count in list(counts.items())[:6])
    if positive is not None and positive not in counts:
        raise BadData(f"{place} has no value '{positive}'; it has {listed}.")
    if len(counts) < 2:
        raise BadData(
            f"{place} has one value in every row: {listed or 'it is blank'}.",
            remedy="Both those who did and those who did not are needed.",
        )
    if len(counts) > 2 and positive is None:
        raise BadData(
            f"{place} has {len(counts)} values: {listed}.",
            remedy="Name the one that counts with --positive; all others are its opposite.",
        )
    chosen = positive if positive is not None else _plain_yes(counts)
    known = own.codes >= 0
    truth = (own.codes == own.levels.index(chosen))[known]
    notices = list(_judge_target(truth, place))
    if not known.all():
        notices.insert(0, Notice("target-blank", {"rows": int((~known).sum())}))
        table = table.rows(known)
    return replace(table, target=truth, positive=chosen, notices=(*table.notices, *notices))


def _plain_yes(counts: Mapping[str, int]) -> str:
    """The one of two values that says yes; else the rarer one."""
    said = [level for level in counts if level.strip().casefold() in _YES]
    return said[0] if len(said) == 1 else min(counts, key=lambda level: counts[level])


def _judge_target(truth: Bools, place: str) -> tuple[Notice, ...]:
    rarer = int(min(truth.sum(), (~truth).sum()))
    if rarer < LEAST_POSITIVES:
        raise BadData(
            f"{place} has {rarer} rows of one kind; at least {LEAST_POSITIVES} are needed.",
            remedy="Take a longer period or more customers.",
        )
    return (Notice("few-positives", {"rows": rarer}),) if rarer < FEW_POSITIVES else ()
