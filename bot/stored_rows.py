"""Records by row that stay encoded, in a file, until somebody asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.filed import FiledArray

T = TypeVar("T")

_KEPT: Final = 512  # decoded ones, for those that are found again and again


class StoredRows(Generic[T]):
    """Rows that were encoded once, and later ones as they are; a cleared row holds None.

    Args:
        encode: a record as bytes, at least one.
        decode: the record again.
    """

    def __init__(self, encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        self._encode = encode
        self._decode = decode
        self._data: NDArray[np.uint8] | FiledArray = np.empty(0, np.uint8)
        self._ends = np.zeros(1, np.int64)
        self._stored = 0
        self._gone: set[int] = set()  # stored rows that were cleared
        self._fresh: list[T | None] = []
        self._kept: dict[int, T] = {}

    def __len__(self) -> int:
        return self._stored + len(self._fresh)

    def __iter__(self) -> Iterator[T | None]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> T | None:
        if row >= self._stored:
            return self._fresh[row - self._stored]
        found = self._kept.get(row)
        if found is None and (code := self._code(row)):
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            found = self._kept[row] = self._decode(code)
        return found

    def extend(self, records: Sequence[T]) -> None:
        """Add records; they get the next rows."""
        self._fresh += records

    def clear(self, row: int) -> None:
        """Forget a record; the row stays."""
        if row >= self._stored:
            self._fresh[row - self._stored] = None
            return
        self._gone.add(row)
        self._kept.pop(row, None)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Every record as bytes; of cleared rows nothing."""
        stored = (self._code(row) for row in range(self._stored))
        fresh = (b"" if record is None else self._encode(record) for record in self._fresh)
        codes = [*stored, *fresh]
        sizes = np.fromiter(map(len, codes), np.int64, len(codes))
        data = np.frombuffer(b"".join(codes), np.uint8)
        return {"data": data, "ends": np.append(0, np.cumsum(sizes))}

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Go on with what ``to_arrays`` gave; the arrays are not copied.

        Raises:
            ValueError: they do not fit each other.
        """
        ends, data = arrays["ends"], arrays["data"]
        if not len(ends) or ends[0] != 0 or ends[-1] != len(data) or np.any(np.diff(ends) < 0):
            raise ValueError("records and their ends do not fit each other")
        self._data, self._ends, self._stored = data, ends, len(ends) - 1

    def _code(self, row: int) -> bytes:
        if row in self._gone:
            return b""
        start, end = self._ends[row : row + 2].tolist()
        if isinstance(self._data, FiledArray):
            return self._data.piece(start, end)
        return self._data[start:end].tobytes()
