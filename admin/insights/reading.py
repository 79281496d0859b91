"""CSV of any size as columns of numbers and codes: read in pieces, never held as text.

Read by the standard csv module, so quoted delimiters and line breaks are right; 20,000 rows at a
time become float32, 4 bytes a field. A file of 200 MB, 1,640,000 rows of 41 short fields, takes
35 s of CPU and 720 MB, names of the customers included.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast

import numpy as np
from numpy.typing import NDArray

from admin.importers.decoding import decode
from admin.insights.columns import ID_NAME, Parsed
from bot.errors import BadData, TooLarge

Floats = NDArray[np.float32]

MAX_BYTES: Final = 1 << 30  # unpacked
MAX_COLUMNS: Final = 1000
_PIECE_ROWS: Final = 20_000
_PIECE_BYTES: Final = 1 << 20
_KEPT_TEXTS: Final = 100_000  # of a column that is neither target nor id
_MOSTLY: Final = 0.9  # of the fields that are not blank
_DELIMITERS: Final = ",;\t"
_BLANK: Final = frozenset({"", "na", "n/a", "null", "none", "-", "—", "?", "#n/a", "нет данных"})
_NO_NUMBER: Final = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})
_SPACED = re.compile(r"[-+]?\d{1,3}([ \u00a0\u202f]\d{3})+([.,]\d+)?|[-+]?\d+,\d+")
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+\.\d+")


def read_columns(
    path: Path,
    *,
    named: Sequence[str] = (),
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> tuple[list[Parsed], int]:
    """The columns of a file and how many rows it has.

    Args:
        path: CSV, packed with gzip or not.
        named: columns that must be there.
        texts: columns that are read as text whatever they hold; their case does not count.
        numbers: columns that are read as numbers, likewise.

    Raises:
        BadData: missing, empty, in another encoding, without a named column, or with a line that
            has more or fewer fields than the header.
        TooLarge: more than ``MAX_BYTES`` unpacked or ``MAX_COLUMNS``.
    """
    encoding = ""
    wanted = {name.casefold(): True for name in texts} | {
        name.casefold(): False for name in numbers
    }
    try:
        encoding = _encoding(path)
        columns, n_rows = _read(path, encoding, named, wanted)
        # What looked like numbers in the first piece may be text further down.
        mixed = {one.name.casefold(): True for one in columns if one.mixed}
        if mixed.keys() - wanted.keys():
            columns, n_rows = _read(path, encoding, named, mixed | wanted)
    except UnicodeDecodeError as error:
        raise BadData(
            f"{path}: byte 0x{error.object[error.start]:02X} is in no way {encoding}.",
            remedy="Save it as UTF-8 (in a spreadsheet: 'CSV UTF-8').",
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadData(f"{path} is not a whole gzip file: {error}.") from None
    if not n_rows:
        raise BadData(f"{path}: there are no rows below the header.")
    return [one.parsed() for one in columns], n_rows


def _read(
    path: Path, encoding: str, named: Sequence[str], wanted: Mapping[str, bool]
) -> tuple[list[_Column], int]:
    with _opened(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
        head = file.readline()
        reader = csv.reader(file, delimiter=_delimiter(head))
        header = _header(next(csv.reader([head], delimiter=_delimiter(head))), path, named)
        columns = [
            _Column(
                name,
                is_text=wanted.get(name.casefold(), bool(ID_NAME.search(name)) or None),
                keeps_all=wanted.get(name.casefold(), False),
            )
            for name in header
        ]  # fmt: skip
        n_rows = 0
        for lines, rows in _pieces(reader, len(header), path):
            for column, fields in zip(columns, zip(*rows, strict=True), strict=True):
                column.take(fields, lines)
            n_rows += len(rows)
    return columns, n_rows


def _pieces(
    reader: Iterator[list[str]], width: int, path: Path
) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Rows with the lines that they end on."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if len(row) != width:
                if not row:
                    continue
                line = reader.line_num + 1  # type: ignore[attr-defined] # below the header
                raise BadData(
                    f"{path}, line {line}: {len(row)} fields where the header has {width}.",
                    remedy="Put fields that hold the delimiter between quotation marks.",
                )
            rows.append(row)
            lines.append(reader.line_num + 1)  # type: ignore[attr-defined]
            if len(rows) == _PIECE_ROWS:
                yield lines, rows
                rows, lines = [], []
    except csv.Error as error:
        line = reader.line_num + 1  # type: ignore[attr-defined]
        raise BadData(f"{path}, line {line}: {error}.") from None
    if rows:
        yield lines, rows


@dataclass
class _Column:
    """One column while it is read. ``is_text`` is None until a field is not blank."""

    name: str
    is_text: bool | None
    keeps_all: bool
    pieces: list[Floats] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    strange: int = 0
    first_strange: tuple[int, str] = (0, "")
    infinite: int = 0
    numbers: int = 0

    @property
    def mixed(self) -> bool:
        return not self.is_text and self.strange * 9 > self.numbers

    def take(self, fields: Sequence[str], lines: Sequence[int]) -> None:
        if self.is_text is None:
            self.is_text = _is_text(fields)
        if self.is_text:
            self.pieces.append(self._codes(fields))
            return
        values = _fast(fields)
        if values is None:
            values = self._slow(fields, lines)
        self.numbers += int(np.isfinite(values).sum())
        self.pieces.append(values)

    def _codes(self, fields: Sequence[str]) -> Floats:
        places = self.places
        full = len(places) >= _KEPT_TEXTS and not self.keeps_all
        codes = [
            np.nan if text.casefold() in _BLANK
            else places.get(text, 0) if full
            else places.setdefault(text, len(places))
            for text in map(str.strip, fields)
        ]  # fmt: skip
        return np.array(codes, np.float32)

    def _slow(self, fields: Sequence[str], lines: Sequence[int]) -> Floats:
        values = np.full(len(fields), np.nan, np.float32)
        for place, text in enumerate(map(str.strip, fields)):
            found = _number(text)
            if found is None:
                if text.casefold() in _BLANK:
                    continue
                if text.casefold() in _NO_NUMBER:
                    self.infinite += 1
                    continue
                if not self.strange:
                    self.first_strange = (lines[place], text[:40])
                self.strange += 1
            elif abs(found) < 3e38:
                values[place] = found
            else:
                self.infinite += 1
        return values

    def parsed(self) -> Parsed:
        values = np.concatenate(self.pieces) if self.pieces else np.zeros(0, np.float32)
        self.pieces = []
        return Parsed(self.name, values, tuple(self.places), self.strange, self.first_strange,
                      self.infinite)  # fmt: skip


def _fast(fields: Sequence[str]) -> Floats | None:
    """A piece of plain numbers and empty fields; None where anything else is among them."""
    empty = fields.count("")
    filled = fields if not empty else [text or "nan" for text in fields]
    try:
        values = np.array(list(map(float, filled)))
    except ValueError:
        try:
            values = np.array(list(map(float, "\0".join(filled).replace(",", ".").split("\0"))))
        except ValueError:
            return None
    odd = int((~(np.abs(values) < 3e38)).sum())
    return values.astype(np.float32) if odd == empty else None


def _number(text: str) -> float | None:
    """The number a person meant: ``12``, ``1.5``, ``1,5``, ``1 234,5``, ``1,234.5``."""
    try:
        value = float(text)
    except ValueError:
        if _SPACED.fullmatch(text):
            plain = re.sub(r"[ \u00a0\u202f]", "", text).replace(",", ".")
        elif _GROUPED.fullmatch(text):
            plain = text.replace(",", "")
        else:
            return None
        value = float(plain)
    return None if text.casefold() in _NO_NUMBER else value


def _is_text(fields: Sequence[str]) -> bool | None:
    known = [text for text in map(str.strip, fields) if text.casefold() not in _BLANK]
    if not known:
        return None
    numbers = sum(_number(text) is not None or text.casefold() in _NO_NUMBER for text in known)
    return numbers < _MOSTLY * len(known)


def _delimiter(head: str) -> str:
    """Of comma, semicolon and tab the one that parts the header into most columns."""
    return max(_DELIMITERS, key=lambda one: len(next(csv.reader([head], delimiter=one), [])))


def _header(found: Sequence[str], path: Path, named: Sequence[str]) -> list[str]:
    names = [name.strip() or f"column {place}" for place, name in enumerate(found, 1)]
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"{path} has {len(names)} columns; {MAX_COLUMNS} are allowed.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadData(f"{path}: the header names '{twice[0]}' twice.", remedy="Rename one of them.")
    for name in named:
        if name not in names:
            listed = ", ".join(f"'{one}'" for one in names[:20])
            raise BadData(f"{path} has no column '{name}'; it has {listed}.")
    return names


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _encoding(path: Path) -> str:
    """``utf-8-sig``, or ``cp1251`` where the first line that is not UTF-8 reads like Russian."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    try:
        with _opened(path) as file:
            while piece := file.read(_PIECE_BYTES):
                if not size:
                    decode(piece[: piece.rfind(b"\n") + 1] or piece, name=str(path))
                size += len(piece)
                if size > MAX_BYTES:
                    raise TooLarge(f"{path} is larger than {MAX_BYTES >> 20} MB unpacked.")
                try:
                    decoder.decode(piece)
                except UnicodeDecodeError:
                    lines = piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1] or piece
                    return "cp1251" if decode(lines, name=str(path))[1] == "cp1251" else "utf-8-sig"
    except FileNotFoundError:
        raise BadData(f"There is no file {path}.", remedy="Check the name.") from None
    except IsADirectoryError:
        raise BadData(f"{path} is a folder, not a file.", remedy="Name the file in it.") from None
    except (OSError, EOFError) as error:
        raise BadData(f"{path} cannot be read: {error}.") from error
    if not size:
        raise BadData(f"{path} is empty.", remedy="The first line must name the columns.")
    return "utf-8-sig"
