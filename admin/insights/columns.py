"""What the fields of a column are: numbers, yes/no, categories, dates, ids, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Kind = Literal["number", "yes/no", "category", "date", "id", "constant", "blank"]

MAX_LEVELS: Final = 200  # of a category; more are names or free text
_FEW_ROWS: Final = 50  # below, all-different texts are no proof of an id
_COUNTED: Final = 1001
_DATE = re.compile(
    r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))"
    r"([T ]\d{1,2}:\d{2}\S*)?\s*"
)
ID_NAME = re.compile(
    r"(^|_|\b)(id|uid|uuid|guid|key|номер|код)($|_|\b)|(?<=[a-z])(Id|ID)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A column as read: ``values`` are numbers, or places in ``levels`` where it is text.

    Attributes:
        name: of the header.
        values: float32, NaN for blank. Shape (n_rows,).
        levels: distinct texts in order of appearance; empty for numbers.
        strange: fields of a column of numbers that are none, and not blank.
        first_strange: line and text of the first of them.
        infinite: fields that say NaN or infinity.
    """

    name: str
    values: Floats
    levels: tuple[str, ...] = ()
    strange: int = 0
    first_strange: tuple[int, str] = (0, "")
    infinite: int = 0

    @classmethod
    def of(cls, name: str, values: Sequence[str] | NDArray[Any]) -> Parsed:
        """From memory: numbers, or anything else as texts ('' or None for blank)."""
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            numbers = array.astype(np.float32)
            infinite = np.isinf(numbers)
            return cls(name, np.where(infinite, np.float32(np.nan), numbers),
                       infinite=int(infinite.sum()))  # fmt: skip
        texts = ["" if one is None else str(one).strip() for one in array.tolist()]
        places: dict[str, int] = {}
        codes = [places.setdefault(text, len(places)) if text else np.nan for text in texts]
        return cls(name, np.array(codes, np.float32), tuple(places))

    @property
    def codes(self) -> NDArray[np.int64]:
        """Places in ``levels``, -1 for blank."""
        return np.where(np.isnan(self.values), -1, self.values).astype(np.int64)

    @property
    def distinct(self) -> int:
        """How many different values; of numbers at most 1,001 are counted, in the first million."""
        if self.levels:
            return len(self.levels)
        found = np.unique(self.values[:1_000_000])
        return min(_COUNTED, int((~np.isnan(found)).sum()))

    def as_text(self) -> tuple[str, ...]:
        """Each row's field as it would be written, '' for blank."""
        if self.levels:
            return tuple(self.levels[code] if code >= 0 else "" for code in self.codes.tolist())
        return tuple("" if np.isnan(value) else f"{value:g}" for value in self.values.tolist())

    def oddities(self, kind: Kind) -> Iterator[tuple[str, Mapping[str, str | int | float]]]:
        """Codes and parameters of the notices that this column deserves."""
        name = {"column": self.name}
        if kind == "blank":
            yield "blank-column", name
        elif kind == "constant":
            yield "constant-column", name
        elif kind == "date":
            yield "date-column", name
        elif kind == "id":
            all_differ = len(self.levels) >= 0.9 * len(self.values) or not self.levels
            yield ("id-column", name) if all_differ else (
                "many-levels", name | {"levels": len(self.levels)}
            )  # fmt: skip
        else:
            if self.strange:
                line, text = self.first_strange
                yield "text-in-number", name | {"rows": self.strange, "line": line, "text": text}
            if self.infinite:
                yield "not-finite", name | {"rows": self.infinite}
            blanks = int(np.isnan(self.values).sum()) - self.strange - self.infinite
            if blanks:
                yield "blanks", name | {"rows": blanks}


def understand(column: Parsed) -> Kind:
    """The kind of a column by its fields, and for ids by its name."""
    distinct = column.distinct
    if not distinct:
        return "blank"
    if distinct == 1 and not np.isnan(column.values).any():
        return "constant"
    return _kind_of_texts(column) if column.levels else _kind_of_numbers(column, distinct)


def _kind_of_texts(column: Parsed) -> Kind:
    distinct, n_rows = len(column.levels), len(column.values)
    if sum(bool(_DATE.fullmatch(level)) for level in column.levels) >= 0.9 * distinct:
        return "date"
    if distinct == n_rows and ID_NAME.search(column.name):
        return "id"
    if distinct <= 2:
        return "yes/no"
    if distinct > MAX_LEVELS or (n_rows >= _FEW_ROWS and distinct > 0.9 * n_rows):
        return "id"
    return "category"


def _kind_of_numbers(column: Parsed, distinct: int) -> Kind:
    values = column.values
    if distinct <= 2:
        return "yes/no"
    n_rows = len(values)
    sample = values[:_COUNTED]
    whole = bool(np.all(sample == np.round(sample)))
    different = distinct >= min(n_rows, _COUNTED)
    if n_rows >= _FEW_ROWS and whole and different and (
        ID_NAME.search(column.name) or bool(np.all(np.diff(sample) == 1))
    ):  # fmt: skip
        return "id"
    return "number"
