"""Profiles of tags that fade: what somebody looked at, newest most, the weakest forgotten.

A weight halves every ``half_life_s``. All weights of a profile fade alike, so they are kept at the
time of its last sight and only moved there by the next one. Profiles are rows of one table: twenty
bytes a tag, whoever they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

HALF_LIFE_S: Final = 30 * 86_400.0
MOST_TAGS: Final = 30
NO_TAG: Final = -2
_FREE: Final = -1
_FIRST_ROOM: Final = 64


@dataclass(frozen=True, slots=True)
class Interests:
    """One profile, strongest tag first; arrays of shape ``(tags,)``.

    Attributes:
        weights: at the time that was asked for.
        last_at: epoch seconds of the newest sight that gave the tag.
        sources: key of the item that gave most of it.
        given: how much of the weight that was.
    """

    tags: Ids
    weights: Floats
    last_at: NDArray[np.float64]
    sources: Ids
    given: Floats

    def __len__(self) -> int:
        """Number of tags."""
        return len(self.tags)


class InterestTable:
    """Profiles by row, each of at most ``most`` tags.

    Args:
        most: tags of a profile.
        half_life_s: after which half of a weight is left.
    """

    def __init__(self, *, most: int = MOST_TAGS, half_life_s: float = HALF_LIFE_S) -> None:
        self.most = most
        self.half_life_s = half_life_s
        self._at = np.zeros(0)
        self._tags = np.zeros((0, most), np.int32)
        self._weights = np.zeros((0, most), np.float32)
        self._last_at = np.zeros((0, most))
        self._sources = np.zeros((0, most), np.int32)
        self._given = np.zeros((0, most), np.float32)
        self._free: list[int] = []

    def new(self) -> int:
        """Row of an empty profile."""
        if not self._free:
            self._grow(max(_FIRST_ROOM, len(self._at)))
        row = self._free.pop()
        self._tags[row] = _FREE
        self._weights[row] = self._given[row] = 0.0
        self._at[row] = 0.0
        return row

    def drop(self, row: int) -> None:
        """Forget a profile; its row is given again."""
        self._tags[row] = _FREE
        self._weights[row] = self._given[row] = 0.0
        self._free.append(row)

    def observe(
        self, rows: Ids, tags: Ids, weights: Floats, at: NDArray[np.float64], sources: Ids
    ) -> None:
        """Add what was seen; a sight older than its profile counts as faded.

        Args:
            rows: of the profiles, distinct; shape ``(n,)``.
            tags: distinct in each row, ``NO_TAG`` where there are fewer; shape ``(n, m)``.
            weights: of the tags, same shape.
            at: epoch seconds, shape ``(n,)``.
            sources: keys of the items that were seen, shape ``(n,)``.
        """
        weights = weights * self._move(rows, at)[:, None]
        every = np.broadcast_to(at[:, None], tags.shape)
        sources = np.broadcast_to(sources[:, None], tags.shape)
        self._take(rows, Interests(tags, weights, every, sources, weights))

    def merge(self, row: int, other: Interests, at: float) -> None:
        """Take another profile, as it is at ``at``, into this one."""
        rows = np.array([row])
        factor = self._move(rows, np.array([at])).item()
        weights, given = other.weights * np.float32(factor), other.given * np.float32(factor)
        self._take(
            rows,
            Interests(
                other.tags[None], weights[None], other.last_at[None], other.sources[None],
                given[None],
            ),
        )  # fmt: skip

    def strongest(self, row: int, now: float) -> Interests:
        """The profile as it is at ``now``."""
        used = int((self._tags[row] != _FREE).sum())
        order = np.argsort(-self._weights[row], kind="stable")[:used]
        factor = self._left(np.array(now - self._at[row]))
        return Interests(
            self._tags[row, order].astype(np.int64),
            self._weights[row, order] * factor,
            self._last_at[row, order],
            self._sources[row, order].astype(np.int64),
            self._given[row, order] * factor,
        )

    def _move(self, rows: Ids, at: NDArray[np.float64]) -> Floats:
        """Bring profiles to ``at`` where that is later; gives what is left of sights of ``at``."""
        elapsed = at - self._at[rows]
        faded = self._left(elapsed)[:, None]
        self._weights[rows] *= faded
        self._given[rows] *= faded
        self._at[rows] += np.maximum(elapsed, 0.0)
        return self._left(-elapsed)

    def _left(self, elapsed_s: NDArray[np.float64]) -> Floats:
        left = 0.5 ** (np.maximum(elapsed_s, 0.0) / self.half_life_s)
        return left.astype(np.float32)

    def _take(self, rows: Ids, more: Interests) -> None:
        """Add tags to profiles; arrays of ``more`` have the shape ``(len(rows), m)``."""
        same = self._tags[rows][:, None, :] == more.tags[:, :, None]
        known = same.any(axis=2)
        which, tag = np.nonzero(known)
        place = rows[which], same.argmax(axis=2)[which, tag]
        self._weights[place] += more.weights[which, tag]
        self._last_at[place] = np.maximum(self._last_at[place], more.last_at[which, tag])
        stronger = more.given[which, tag] >= self._given[place]
        place = place[0][stronger], place[1][stronger]
        which, tag = which[stronger], tag[stronger]
        self._sources[place] = more.sources[which, tag]
        self._given[place] = more.given[which, tag]
        fresh = np.where(known | (more.tags < 0), np.float32(-1.0), more.weights)
        if (fresh > 0).any():
            self._replace(rows, more, fresh)

    def _replace(self, rows: Ids, more: Interests, fresh: Floats) -> None:
        """New tags take the places of the weakest, where they are stronger; strongest first."""
        tags = np.argsort(-fresh, axis=1, kind="stable")[:, : self.most]
        places = np.argsort(self._weights[rows], axis=1, kind="stable")[:, : tags.shape[1]]
        each = np.arange(len(rows))[:, None]
        better = fresh[each, tags] > self._weights[rows[:, None], places]
        which, column = np.nonzero(better)
        place = rows[which], places[which, column]
        tag = tags[which, column]
        self._tags[place] = more.tags[which, tag]
        self._weights[place] = more.weights[which, tag]
        self._last_at[place] = more.last_at[which, tag]
        self._sources[place] = more.sources[which, tag]
        self._given[place] = more.given[which, tag]

    def _grow(self, by: int) -> None:
        first = len(self._at)
        self._at = np.append(self._at, np.zeros(by))
        for name in ("_tags", "_weights", "_last_at", "_sources", "_given"):
            old = getattr(self, name)
            fresh = np.zeros((by, self.most), old.dtype)
            setattr(self, name, np.concatenate([old, fresh]))
        self._free = list(range(first + by - 1, first - 1, -1))
