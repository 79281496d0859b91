"""Inverted index of items over integer tag ids: finds what suits a profile, changes at once.

An item has a key, its tags with strengths, and the section it lies in. A change takes effect with
the next search: the item gets a new row, and the old one is silent from then on. New rows live in a
small segment; a segment is merged into the one before it once it has grown to a share of it, so
that a change costs little however many items there are. What a tag stands for is not known here.

Source: O'Neil, Cheng, Gawlick and O'Neil, The log-structured merge-tree, Acta Informatica 1996.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from index.postings import Segment, distinct, erase, locate, merge_segments
from index.scoring import add_scores
from index.selection import best_rows

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Levels = NDArray[np.uint8]

_RECENT = 128  # rows kept apart until they become a segment
_SHARE = (
    4  # a segment is merged into the one before it once that is less than so many times as large
)
_ROW_BITS, _LEVEL_BITS = 31, 8
# A strength is kept in a byte, in steps of 2.4 %: 0.01 is the least and 4 the greatest.
_LEAST, _GREATEST = 0.01, 4.0
_STEP = np.log(_GREATEST / _LEAST) / 254
_LEVELS: Floats = np.append(0, _LEAST * np.exp(_STEP * np.arange(255))).astype(np.float32)
_MORE = 4  # times as many candidates as wanted, where sections take turns


class Item(msgspec.Struct, frozen=True):
    """What is found. ``strengths`` are 0.01..4 and belong to ``tags``, which are distinct."""

    key: int
    tags: Ids
    strengths: Floats
    section: int = 0


class ProfileIndex:
    """Items by their tags."""

    def __init__(self) -> None:
        self._row_of: dict[int, int] = {}
        self._keys = np.zeros(0, np.int64)
        self._sections = np.zeros(0, np.int64)
        self._alive = np.zeros(0, np.float32)
        self._segments: list[Segment] = []
        self._firsts: list[int] = []  # row that each segment begins with
        self._recent: Segment | None = None
        self._waiting: dict[int, Item] = {}  # by row

    def __len__(self) -> int:
        """Number of items."""
        return len(self._row_of)

    def __contains__(self, key: int) -> bool:
        """True for an item that can be found."""
        return key in self._row_of

    def put(self, items: Sequence[Item]) -> None:
        """Add items, each in place of the one that had its key; of equal keys the last counts."""
        items = list({item.key: item for item in items}.values())
        self.remove([item.key for item in items])
        first, number = len(self._keys), len(items)
        self._waiting.update(enumerate(items, first))
        self._row_of.update((item.key, row) for row, item in enumerate(items, first))
        self._keys = np.append(self._keys, np.fromiter((i.key for i in items), np.int64, number))
        self._sections = np.append(
            self._sections, np.fromiter((i.section for i in items), np.int64, number)
        )
        self._alive = np.append(self._alive, np.ones(number, np.float32))
        self._recent = None
        if len(self._waiting) > _RECENT:
            self._merge()

    def remove(self, keys: Collection[int]) -> None:
        """Forget items; keys that are unknown are passed over."""
        rows = [row for key in keys if (row := self._row_of.pop(key, None)) is not None]
        self._alive[rows] = 0.0
        for row in rows:
            if self._waiting.pop(row, None) is not None:
                self._recent = None

    def scores(self, tags: Ids, weights: Floats) -> Floats:
        """Sum of weight times strength over shared tags for each row, 0 for what is gone."""
        if self._waiting and self._recent is None:
            self._recent = _segment(list(self._waiting.items()))
        total = np.zeros(len(self._keys), np.float32)
        order = np.argsort(tags, kind="stable")
        tags, weights = tags[order], weights[order].astype(np.float32)
        recent = [] if self._recent is None else [self._recent]
        for segment in (*self._segments, *recent):
            where, found = locate(segment.vocabulary, tags)
            add_scores(
                total, segment, where, factors=weights[found], norms=self._alive, levels=_LEVELS
            )
        return total

    def search(
        self,
        tags: Ids,
        weights: Floats,
        k: int,
        *,
        leave_out: Collection[int] = (),
        of_section: int = 0,
        scale: Callable[[Ids], Floats] | None = None,
    ) -> list[tuple[int, float]]:
        """Keys of the best ``k`` items that share a tag, best first, with their scores.

        Args:
            tags: of the profile, distinct.
            weights: of the tags.
            k: how many.
            leave_out: keys that are not wanted.
            of_section: most items of one section while others are left; 0 for any number.
            scale: factor on the scores of items, by key.
        """
        total = self.scores(tags, weights)
        total[[row for key in leave_out if (row := self._row_of.get(key)) is not None]] = 0.0
        rows = best_rows(total, k * _MORE if of_section or scale else k)
        if scale is not None:
            total[rows] *= scale(self._keys[rows])
            rows = rows[np.argsort(-total[rows], kind="stable")]
        if of_section:
            rows = self._spread(rows, k, of_section)
        rows = rows[:k]
        return list(zip(self._keys[rows].tolist(), total[rows].tolist(), strict=True))

    def strengths(self, key: int, tags: Ids) -> Floats:
        """How strongly the item has each of the tags, 0 where it has not; unknown keys have none.

        Shape ``(tags,)``.
        """
        found = np.zeros(len(tags), np.float32)
        row = self._row_of.get(key)
        if row is None:
            return found
        if (waiting := self._waiting.get(row)) is not None:
            own = dict(zip(waiting.tags.tolist(), waiting.strengths.tolist(), strict=True))
            return np.asarray([own.get(tag, 0.0) for tag in tags.tolist()], np.float32)
        order = np.argsort(tags, kind="stable")
        segment = self._segments[bisect_right(self._firsts, row) - 1]
        where, which = locate(segment.vocabulary, tags[order])
        starts, ends = segment.starts[where].tolist(), segment.starts[where + 1].tolist()
        for start, end, tag in zip(starts, ends, order[which].tolist(), strict=True):
            at = start + int(segment.rows[start:end].searchsorted(np.int32(row)))
            if at < end and segment.rows[at] == row:
                found[tag] = _LEVELS[segment.counts[at]]
        return found

    def _spread(self, rows: Ids, k: int, most: int) -> Ids:
        """The rows with at most so many of a section first, the others behind them."""
        taken: dict[int, int] = {}
        first: list[int] = []
        rest: list[int] = []
        for row, section in zip(rows.tolist(), self._sections[rows].tolist(), strict=True):
            number = taken.get(section, 0)
            (first if number < most else rest).append(row)
            taken[section] = number + 1
            if len(first) == k:
                break
        return np.asarray(first + rest, np.int64)

    def _merge(self) -> None:
        """Make a segment of what waits, and merge those that have become much alike in size."""
        segments = [*self._segments, _segment(list(self._waiting.items()))]
        self._firsts.append(next(iter(self._waiting)))
        while len(segments) > 1 and len(segments[-2].rows) < _SHARE * len(segments[-1].rows):
            newer, older = segments.pop(), segments.pop()
            self._firsts.pop()
            for part in (older, newer):
                erase(part, self._alive == 0.0)
            segments.append(merge_segments(older, newer))
        self._segments, self._waiting, self._recent = segments, {}, None


def _segment(items: Sequence[tuple[int, Item]]) -> Segment:
    """Postings of items by row; a count is the level of a strength."""
    none = np.zeros(0, np.int64)
    tags = np.concatenate([none, *(item.tags for _, item in items)])
    strengths = np.concatenate([none, *(item.strengths for _, item in items)])
    sizes = [len(item.tags) for _, item in items]
    rows = np.repeat(np.asarray([row for row, _ in items], np.int64), sizes)
    vocabulary = distinct(tags)
    # Tag, row and level in one number: numbers without a payload sort several times as fast.
    keys = np.searchsorted(vocabulary, tags).astype(np.int64) << (_ROW_BITS + _LEVEL_BITS)
    keys |= rows << _LEVEL_BITS
    keys |= _level(strengths)
    keys.sort()
    df = np.bincount(keys >> (_ROW_BITS + _LEVEL_BITS), minlength=len(vocabulary))
    return Segment(
        vocabulary,
        np.append(0, np.cumsum(df)).astype(np.int64),
        df.astype(np.int32),
        ((keys >> _LEVEL_BITS) & ((1 << _ROW_BITS) - 1)).astype(np.int32),
        (keys & ((1 << _LEVEL_BITS) - 1)).astype(np.uint8),
    )


def _level(strengths: NDArray[np.floating]) -> Ids:
    bounded = np.clip(strengths, _LEAST, _GREATEST)
    return np.asarray(np.rint(np.log(bounded / _LEAST) / _STEP) + 1, np.int64)
