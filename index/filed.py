"""Numbers that stay in a file: what is asked for is read there, and the process holds none of them.

For what is looked at in a few rows of many. A mapped file would count each page that was touched
as memory of the process until the system takes it back; here the system alone keeps what it likes.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from index import native

Ids = NDArray[np.int64]

READABLE: Final = hasattr(os, "pread")  # at a place; where not, files are mapped
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class OpenFile:
    """A file to read from, for as long as something refers to it, also once it was removed."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, _FLAGS)
        self._close = weakref.finalize(self, os.close, self.number)


class FiledArray:
    """An array in a file.

    Args:
        file: that holds it.
        start: byte that it begins with.
        kind: of its numbers.
        shape: of it.
    """

    def __init__(self, file: OpenFile, start: int, kind: DTypeLike, shape: Sequence[int]) -> None:
        self.dtype = np.dtype(kind)
        self.shape = tuple(shape)
        self._file = file
        self._start = start
        self._item = math.prod(self.shape[1:])  # numbers in a row

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def place(self) -> tuple[int, int]:
        """Number of the open file, and the byte that the array begins with."""
        return self._file.number, self._start

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All of it, in memory."""
        del copy
        none = np.zeros(1, np.int64)
        return self.spans(none, none + len(self)).astype(dtype or self.dtype, copy=False)

    def piece(self, start: int, end: int) -> bytes:
        """Rows from one to before another, as they lie there; the caller checks the places.

        Raises:
            OSError: the file cannot be read, or is shorter than it was.
        """
        step = self._item * self.dtype.itemsize
        return self._read(start * step, (end - start) * step)

    def spans(self, starts: Ids, sizes: Ids) -> NDArray[Any]:
        """Rows from each start on, so many of each, end to end.

        Raises:
            ValueError: some lie outside.
            OSError: the file cannot be read, or is shorter than it was.
        """
        found = np.empty((int(sizes.sum()), *self.shape[1:]), self.dtype)
        step = self._item * self.dtype.itemsize
        if native.library is not None:
            native.library.read_spans(
                self._file.number, self._start, step, len(self),
                np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(sizes, np.int64),
                found.reshape(-1).view(np.uint8),
            )  # fmt: skip
            return found
        flat, at = found.reshape(-1).view(np.uint8).data, 0
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
            if start < 0 or size < 0 or start + size > len(self):
                raise ValueError("rows lie outside of the array in the file")
            part = self._read(start * step, size * step)
            flat[at : at + len(part)] = part
            at += len(part)
        return found

    def _read(self, start: int, size: int) -> bytes:
        part = os.pread(self._file.number, size, self._start + start)
        if len(part) != size:
            raise OSError("the file is shorter than it was")
        return part


def places_of(starts: Ids, sizes: Ids) -> Ids:
    """Places from each start on, so many of each, end to end."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - ends + sizes, sizes) + np.arange(int(ends[-1]) if len(ends) else 0)


def spans(values: NDArray[Any] | FiledArray, starts: Ids, sizes: Ids) -> NDArray[Any]:
    """Rows of an array from each start on, so many of each, end to end, wherever it lies.

    Raises:
        ValueError: some lie outside.
    """
    if isinstance(values, FiledArray):
        return values.spans(starts, sizes)
    return values[places_of(starts, sizes)]
