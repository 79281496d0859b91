"""Postings as they are searched and kept: in as few bytes as the documents allow.

Most terms stand once in a document: those postings are rows alone, before the ones with a count. A
row takes two bytes while no document has a higher number than that holds. All of a term lies
together, so that it is read at once. The scores are the same as those of
``index.postings.Segment``, which is what changes are made in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from index import native
from index.filed import FiledArray, places_of, spans
from index.postings import Segment, locate

Ids = NDArray[np.int64]

_NARROW: Final = 1 << 16
_ALL_LIVE: Final = np.zeros(0, np.int32)
_NO_BYTES: Final = np.zeros(0, np.uint32)
_NAMES: Final = ("vocabulary", "starts", "postings")


class Packed(msgspec.Struct):
    """Postings by term.

    Attributes:
        vocabulary: sorted, ``(terms,)``.
        starts: where each term begins among ``postings``, and how many of its documents have it
            more than once; then the end and 0, ``(terms + 1, 2)``.
        postings: of each term the rows that have it once, rising, those that have it more often,
            and how often these do, in a byte each, filled up; ``uint16``, or ``int32``.
        df: living documents of each term, ``(terms,)``; empty while all are.
    """

    vocabulary: Ids
    starts: NDArray[np.uint32] | FiledArray
    postings: NDArray[Any] | FiledArray
    df: NDArray[np.int32] = msgspec.field(default_factory=_ALL_LIVE.copy)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Vocabulary, starts, postings, living documents, and where those lie that are in a file.

        The last: number of the file or -1, where in it starts and postings begin, how many numbers
        the postings are, and bytes of one.
        """
        starts, postings, source = self.starts, self.postings, [-1, 0, 0]
        if isinstance(postings, FiledArray):
            (source[0], source[2]), postings = postings.place, _NO_BYTES
        if isinstance(starts, FiledArray):
            (source[0], source[1]), starts = starts.place, _NO_BYTES
        source += len(self.postings), self.postings.dtype.itemsize
        return self.vocabulary, starts, postings, self.df, np.asarray(source)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What ``from_arrays`` takes."""
        return {name: np.asarray(getattr(self, name)) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Packed:
        """What ``to_arrays`` gave; nothing is copied."""
        return cls(*(arrays[name] for name in _NAMES))

    def living(self) -> NDArray[np.int32]:
        """Number of living documents of each term."""
        if len(self.df) or not len(self.vocabulary):
            return self.df
        return np.asarray(self.sizes().sum(axis=1), np.int32)

    def sizes(self) -> Ids:
        """How many documents have each term once, and more often, ``(terms, 2)``."""
        starts = np.asarray(self.starts).astype(np.int64)
        more = starts[:-1, 1]
        units = np.diff(starts[:, 0])
        return np.stack([units - more - _filled(more, self.postings.dtype), more], axis=1)

    def pieces(self, where: Ids) -> tuple[Ids, NDArray[Any], NDArray[np.uint8]]:
        """Of some terms: ``sizes``, rows end to end, those with a count behind, and the counts."""
        first = np.asarray(self.starts)[where, 0].astype(np.int64)
        sizes, postings = self.sizes()[where], np.asarray(self.postings)
        once, more = sizes.T
        rows = np.concatenate([
            postings[places_of(first, once)],
            postings[places_of(first + once, more)],
        ])  # fmt: skip
        at = (first + once + more) * postings.itemsize
        return sizes, rows, postings.view(np.uint8)[places_of(at, more)]

    def of(self, terms: Ids) -> Packed:
        """The postings of some terms alone, in memory: itself where it is."""
        if not isinstance(self.postings, FiledArray):
            return self
        where, _ = locate(self.vocabulary, terms)
        kept = spans(self.starts, where, np.full(len(where), 2)).reshape(-1, 2, 2)
        first = kept[:, 0, 0].astype(np.int64)
        units = kept[:, 1, 0] - first
        starts = np.zeros((len(where) + 1, 2), np.uint32)
        np.cumsum(units, out=starts[1:, 0])
        starts[:-1, 1] = kept[:, 0, 1]
        df = self.df[where] if len(self.df) else self.df
        return Packed(self.vocabulary[where], starts, self.postings.spans(first, units), df)

    def add_document_counts(self, terms: Ids, df: NDArray[np.float64]) -> None:
        """Add the number of living documents of each term to ``df``, in place.

        Raises:
            ValueError: the arrays do not fit each other.
        """
        if native.library is not None and not isinstance(self.starts, FiledArray):
            asked = np.ascontiguousarray(terms, np.int64)
            width = self.postings.dtype.itemsize
            native.library.count_documents(asked, self.vocabulary, self.starts, self.df, df, width)
            return
        part = self.of(terms)
        where, found = locate(part.vocabulary, terms)
        df[found] += part.living()[where]


def pack(segment: Segment) -> Packed:
    """Postings of which every document lives."""
    terms = len(segment.vocabulary)
    owners = np.repeat(np.arange(terms), np.diff(segment.starts))
    again = segment.counts > 1
    more = np.bincount(owners[again], minlength=terms)
    once = np.diff(segment.starts) - more
    narrow = int(segment.rows.max(initial=0)) < _NARROW
    kind = np.dtype(np.uint16 if narrow else np.int32)
    starts = np.zeros((terms + 1, 2), np.uint32)
    np.cumsum(once + more + _filled(more, kind), out=starts[1:, 0])
    starts[:-1, 1] = more
    first = starts[:-1, 0].astype(np.int64)
    postings = np.zeros(int(starts[-1, 0]), kind)
    postings[places_of(first, once)] = segment.rows[~again]
    postings[places_of(first + once, more)] = segment.rows[again]
    at = (first + once + more) * kind.itemsize
    postings.view(np.uint8)[places_of(at, more)] = segment.counts[again]
    return Packed(segment.vocabulary, starts, postings)


def unpack(packed: Packed, alive: NDArray[np.bool_]) -> Segment:
    """Postings of the living documents; of each term first those that have it once."""
    sizes, taken, repeats = packed.pieces(np.arange(len(packed.vocabulary)))
    first = np.repeat(np.tile([True, False], len(sizes)), sizes.ravel())
    rows, counts = np.empty(len(first), np.int32), np.ones(len(first), np.uint8)
    rows[first], rows[~first] = (
        taken[: len(taken) - len(repeats)],
        taken[len(taken) - len(repeats) :],
    )
    counts[~first] = repeats
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
    postings, starts = np.asarray(packed.postings), np.asarray(packed.starts).astype(np.int64)
    # Counts are looked at as if they were rows, and left out of what is found.
    kept = np.zeros(max(len(gone), _NARROW) + 1, bool)
    kept[: len(gone)] = gone
    rows = postings if postings.itemsize == 2 else np.minimum(postings.view(np.uint32), len(gone))
    hit = np.flatnonzero(kept[rows])
    owners = np.searchsorted(starts[:, 0], hit, side="right") - 1
    of_rows = hit - starts[owners, 0] < packed.sizes().sum(axis=1)[owners]
    df = np.bincount(owners[of_rows], minlength=len(packed.vocabulary))
    packed.df = packed.living() - df.astype(np.int32)


def _filled(counts: Ids, kind: np.dtype[Any]) -> Ids:
    """Units of rows that so many counts take."""
    return -(-counts // kind.itemsize)
