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

    def observe(self, row: int, tags: Ids, weights: Floats, at: float, source: int) -> None:
        """Add what was seen at ``at``; a sight older than the profile counts as faded.

        Args:
            row: of the profile.
            tags: distinct.
            weights: of the tags.
            at: epoch seconds.
            source: key of the item that was seen.
        """
        weights = weights * self._move(row, at)
        number = len(tags)
        sources = np.full(number, source, np.int64)
        self._take(row, Interests(tags, weights, np.full(number, at), sources, weights))

    def merge(self, row: int, other: Interests, at: float) -> None:
        """Take another profile, as it is at ``at``, into this one."""
        factor = self._move(row, at)
        weights, given = other.weights * factor, other.given * factor
        self._take(row, Interests(other.tags, weights, other.last_at, other.sources, given))

    def strongest(self, row: int, now: float) -> Interests:
        """The profile as it is at ``now``."""
        used = int((self._tags[row] != _FREE).sum())
        order = np.argsort(-self._weights[row], kind="stable")[:used]
        factor = np.float32(self._left(now - self._at[row]))
        return Interests(
            self._tags[row, order].astype(np.int64),
            self._weights[row, order] * factor,
            self._last_at[row, order],
            self._sources[row, order].astype(np.int64),
            self._given[row, order] * factor,
        )

    def _move(self, row: int, at: float) -> float:
        """Bring the profile to ``at`` if that is later; gives what is left of a sight of ``at``."""
        elapsed = at - self._at[row]
        if elapsed < 0:
            return self._left(-elapsed)
        factor = self._left(elapsed)
        self._weights[row] *= factor
        self._given[row] *= factor
        self._at[row] = at
        return 1.0

    def _left(self, elapsed_s: float) -> float:
        return float(0.5 ** (max(0.0, elapsed_s) / self.half_life_s))

    def _take(self, row: int, more: Interests) -> None:
        same = self._tags[row] == more.tags[:, None]
        known = same.any(axis=1)
        where = same.argmax(axis=1)[known]
        self._weights[row, where] += more.weights[known]
        self._last_at[row, where] = np.maximum(self._last_at[row, where], more.last_at[known])
        stronger = more.given[known] >= self._given[row, where]
        self._sources[row, where[stronger]] = more.sources[known][stronger]
        self._given[row, where[stronger]] = more.given[known][stronger]
        fresh = np.flatnonzero(~known)
        if not len(fresh):
            return
        # New ones take the places of the weakest, where they are stronger.
        fresh = fresh[np.argsort(-more.weights[fresh], kind="stable")][: self.most]
        weakest = np.argsort(self._weights[row], kind="stable")[: len(fresh)]
        better = more.weights[fresh] > self._weights[row, weakest]
        fresh, weakest = fresh[better], weakest[better]
        self._tags[row, weakest] = more.tags[fresh]
        self._weights[row, weakest] = more.weights[fresh]
        self._last_at[row, weakest] = more.last_at[fresh]
        self._sources[row, weakest] = more.sources[fresh]
        self._given[row, weakest] = more.given[fresh]

    def _grow(self, by: int) -> None:
        first = len(self._at)
        self._at = np.append(self._at, np.zeros(by))
        for name in ("_tags", "_weights", "_last_at", "_sources", "_given"):
            old = getattr(self, name)
            fresh = np.zeros((by, self.most), old.dtype)
            setattr(self, name, np.concatenate([old, fresh]))
        self._free = list(range(first + by - 1, first - 1, -1))
