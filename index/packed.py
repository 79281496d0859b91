"""Postings as they are searched and kept: in as few bytes as the documents allow.

Most terms stand once in a document: those postings are rows alone, beside the ones with a count. A
row takes two bytes while no document has a higher number than that holds. The scores are the same
as those of ``index.postings.Segment``, which is what changes are made in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native
from index.filed import FiledArray, spans
from index.postings import Segment, locate

Ids = NDArray[np.int64]
Rows = NDArray[np.uint16] | NDArray[np.int32]

_NARROW: Final = 1 << 16
_ALL_LIVE: Final = np.zeros(0, np.int32)


class Packed(msgspec.Struct):
    """Postings by term; those that have the term once, and those with more of it, rows rising.

    Attributes:
        vocabulary: sorted, ``(terms,)``.
        starts: of each term's rows among ``once`` and among ``rows``, and the ends, ``(terms + 1,
            2)``.
        once: rows that have a term once.
        rows: rows that have it more often, and ``counts`` how often.
        df: living documents of each term, ``(terms,)``; empty while all are.
    """

    vocabulary: Ids
    starts: NDArray[np.uint32] | FiledArray
    once: Rows | FiledArray
    rows: Rows | FiledArray
    counts: NDArray[np.uint8] | FiledArray
    df: NDArray[np.int32] = msgspec.field(default_factory=_ALL_LIVE.copy)

    def arrays(self) -> tuple[Any, ...]:
        """All of it, in this order."""
        return self.vocabulary, self.starts, self.once, self.rows, self.counts, self.df

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What ``from_arrays`` takes."""
        names = ("vocabulary", "starts", "once", "rows", "counts")
        return {name: np.asarray(getattr(self, name)) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Packed:
        """What ``to_arrays`` gave; nothing is copied."""
        return cls(*(arrays[name] for name in ("vocabulary", "starts", "once", "rows", "counts")))

    def living(self) -> NDArray[np.int32]:
        """Number of living documents of each term."""
        if len(self.df) or not len(self.vocabulary):
            return self.df
        sizes = np.diff(np.asarray(self.starts), axis=0).sum(axis=1)
        return np.asarray(sizes, np.int32)

    def of(self, terms: Ids) -> Packed:
        """The postings of some terms alone, in memory: itself where it is."""
        if not isinstance(self.starts, FiledArray):
            return self
        where, _ = locate(self.vocabulary, terms)
        bounds = self.starts.spans(where, np.full(len(where), 2)).astype(np.int64).reshape(-1, 2, 2)
        first, sizes = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
        starts = np.zeros((len(where) + 1, 2), np.uint32)
        np.cumsum(sizes, axis=0, out=starts[1:])
        return Packed(
            self.vocabulary[where],
            starts,
            spans(self.once, first[:, 0], sizes[:, 0]),
            spans(self.rows, first[:, 1], sizes[:, 1]),
            spans(self.counts, first[:, 1], sizes[:, 1]),
            self.df[where] if len(self.df) else self.df,
        )

    def add_document_counts(self, terms: Ids, df: NDArray[np.float64]) -> None:
        """Add the number of living documents of each term to ``df``, in place.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        if native.library is not None and not isinstance(self.starts, FiledArray):
            asked = np.ascontiguousarray(terms, np.int64)
            native.library.count_documents(asked, self.vocabulary, self.starts, self.df, df)
            return
        part = self.of(terms)
        where, found = locate(part.vocabulary, terms)
        df[found] += part.living()[where]


def pack(segment: Segment) -> Packed:
    """Postings of which every document lives."""
    owners = np.repeat(np.arange(len(segment.vocabulary)), np.diff(segment.starts))
    more = segment.counts > 1
    starts = np.zeros((len(segment.vocabulary) + 1, 2), np.uint32)
    for column, some in enumerate((~more, more)):
        sizes = np.bincount(owners[some], minlength=len(segment.vocabulary))
        np.cumsum(sizes, out=starts[1:, column])
    narrow = int(segment.rows.max(initial=0)) < _NARROW
    rows = segment.rows.astype(np.uint16) if narrow else segment.rows
    return Packed(segment.vocabulary, starts, rows[~more], rows[more], segment.counts[more])


def unpack(packed: Packed, alive: NDArray[np.bool_]) -> Segment:
    """Postings of the living documents; of each term first those that have it once."""
    starts = np.asarray(packed.starts).astype(np.int64)
    sizes = np.diff(starts, axis=0)
    first = np.repeat(np.tile([True, False], len(sizes)), sizes.ravel())
    rows, counts = np.empty(len(first), np.int32), np.ones(len(first), np.uint8)
    rows[first], rows[~first] = packed.once, packed.rows
    counts[~first] = packed.counts
    df, vocabulary = sizes.sum(axis=1), packed.vocabulary
    if not alive.all():
        living = alive[rows]
        owners = np.repeat(np.arange(len(df)), df)
        rows, counts = rows[living], counts[living]
        df = np.bincount(owners[living], minlength=len(df))
        vocabulary, df = vocabulary[df > 0], df[df > 0]
    return Segment(vocabulary, np.append(0, np.cumsum(df)), df.astype(np.int32), rows, counts)


def erase(packed: Packed, gone: NDArray[np.bool_]) -> None:
    """Take removed rows, which were not taken before, out of the document counts."""
    df, starts = packed.living(), np.asarray(packed.starts)
    for column, rows in enumerate((packed.once, packed.rows)):
        hit = np.flatnonzero(gone[np.asarray(rows)])
        owners = np.searchsorted(starts[:, column], hit, side="right") - 1
        df = df - np.bincount(owners, minlength=len(df)).astype(np.int32)
    packed.df = df
