"""Arrays of different lengths, one a row, kept end to end, so that many are read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from index import native
from index.filed import FiledArray

Ids = NDArray[np.int64]


class RaggedRows:
    """Rows of numbers, in the order they are added.

    Args:
        kind: of the numbers, of four bytes each.
    """

    def __init__(self, kind: DTypeLike) -> None:
        self._filed: FiledArray | None = None  # numbers before those in memory
        self._before = 0  # how many these are
        self._values = np.empty(0, kind)
        self._used = 0  # of those in memory
        self._starts = np.empty(0, np.int64)
        self._sizes = np.empty(0, np.int64)
        self._looked: tuple[Ids, tuple[NDArray[np.integer], Ids, Ids, Ids]] | None = None  # last

    def add(self, rows: Sequence[NDArray[np.integer]]) -> None:
        """Append rows."""
        sizes = np.fromiter(map(len, rows), np.int64, len(rows))
        end = self._used + int(sizes.sum())
        if end > len(self._values):
            # What is reserved and not yet written takes no memory.
            values = np.empty(max(end, 2 * len(self._values)), self._values.dtype)
            values[: self._used] = self._values[: self._used]
            self._values = values
        if end > self._used:
            self._values[self._used : end] = np.concatenate(rows)
        starts = self._before + self._used + np.cumsum(sizes) - sizes
        self._starts = np.concatenate([self._starts, starts])
        self._sizes = np.concatenate([self._sizes, sizes])
        self._used = end

    def clear(self, row: int) -> int:
        """Make a row empty; gives how long it was."""
        size = int(self._sizes[row])
        self._sizes[row] = 0
        self._looked = None
        return size

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything needed to go on, as plain arrays; of a cleared row nothing."""
        values, sizes = self.take(np.arange(len(self._sizes)))
        return {"values": values, "sizes": sizes.astype(np.int32)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> RaggedRows:
        """The rows that ``to_arrays`` described; the arrays are not copied.

        Raises:
            ValueError: the sizes do not fit the numbers.
        """
        values, rows = arrays["values"], cls(arrays["values"].dtype)
        if isinstance(values, FiledArray):
            rows._filed, rows._before = values, len(values)
        else:
            rows._values, rows._used = values, len(values)
        rows._sizes = arrays["sizes"].astype(np.int64)
        rows._starts = np.cumsum(rows._sizes) - rows._sizes
        if int(rows._sizes.sum()) != len(values) or int(rows._sizes.min(initial=0)) < 0:
            raise ValueError("sizes and numbers do not fit each other")
        return rows

    def look(self, rows: Ids) -> tuple[NDArray[np.integer], Ids, Ids, Ids]:
        """Numbers that some rows are among, where rows start and how many they have, and which."""
        if self._filed is None:
            return self._values, self._starts, self._sizes, rows
        last = self._looked
        if last is None or last[0] is not rows:  # the same rows are often looked at once more
            flat, sizes = self.take(rows)
            found = flat, np.cumsum(sizes) - sizes, sizes, np.arange(len(rows))
            last = self._looked = rows, found
        return last[1]

    def take(self, rows: Ids) -> tuple[NDArray[np.integer], Ids]:
        """The numbers of some rows end to end, and how many each has."""
        starts, sizes = self._starts[rows], self._sizes[rows]
        if not len(rows):
            return self._values[:0], sizes
        if self._filed is None:
            return self._in_memory(starts, sizes), sizes
        fresh = starts >= self._before
        if not fresh.any():
            return self._filed.spans(starts, sizes), sizes
        where = np.repeat(fresh, sizes)
        flat = np.empty(len(where), self._values.dtype)
        flat[~where] = self._filed.spans(starts[~fresh], sizes[~fresh])
        flat[where] = self._in_memory(starts[fresh] - self._before, sizes[fresh])
        return flat, sizes

    def _in_memory(self, starts: Ids, sizes: Ids) -> NDArray[np.integer]:
        if native.library is not None:
            taken = np.empty(int(sizes.sum()), self._values.dtype)
            every = np.arange(len(starts))
            native.library.gather(self._values, starts, sizes, every, taken)
            return taken
        slices = map(slice, starts.tolist(), (starts + sizes).tolist())
        return np.concatenate([self._values[one] for one in slices])
