"""Profiles of tags that fade: what somebody looked at, newest most, the weakest forgotten.

A weight halves every ``half_life_s``. All weights of a profile fade alike, so they are kept at the
time of its last sight and only moved there by the next one. Profiles are rows of one table: twenty
bytes a tag, whoever they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Sight = tuple[Ids, Floats]  # distinct tags with their weights

HALF_LIFE_S: Final = 30 * 86_400.0
MOST_TAGS: Final = 30
_FREE: Final = -1
_FIRST_ROOM: Final = 64


class Interests(msgspec.Struct, frozen=True):
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


def _some(found: Interests, chosen: NDArray[np.bool_]) -> Interests:
    return Interests(
        found.tags[chosen], found.weights[chosen], found.last_at[chosen], found.sources[chosen],
        found.given[chosen],
    )  # fmt: skip


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
        return self._free.pop()

    def drop(self, row: int) -> None:
        """Forget a profile; its row is given again."""
        self._tags[row] = _FREE
        self._weights[row] = self._given[row] = 0.0
        self._at[row] = 0.0
        self._free.append(row)

    def observe(
        self, rows: Ids, at: NDArray[np.float64], sources: Ids, seen: Sequence[Sight]
    ) -> None:
        """Add what was seen; a sight older than its profile counts as faded.

        Sights of one profile are added up before the weakest tags give way.

        Args:
            rows: of the profiles, shape ``(n,)``.
            at: epoch seconds, shape ``(n,)``.
            sources: keys of the items that were seen, shape ``(n,)``.
            seen: distinct tags and their weights, of each row.
        """
        profiles, owner = np.unique(rows, return_inverse=True)
        latest = np.zeros(len(profiles))
        np.maximum.at(latest, owner, at)
        left = self._move(profiles, latest)[owner] * self._left(latest[owner] - at)
        each = np.repeat(np.arange(len(rows)), [len(tags) for tags, _ in seen])
        tags = np.concatenate([tags for tags, _ in seen])
        weights = np.concatenate([weights for _, weights in seen]) * left[each]
        if not len(tags):
            return
        # By profile and tag, of each the strongest last.
        code = owner[each] << 32 | tags
        order = np.lexsort((weights, code))
        code = code[order]
        last = np.append(code[1:] != code[:-1], True)
        first = np.flatnonzero(np.append(True, last[:-1]))
        strongest = order[last]
        self._take(
            profiles,
            owner[each[strongest]],
            Interests(
                tags[strongest],
                np.add.reduceat(weights[order], first),
                np.maximum.reduceat(at[each[order]], first),
                sources[each[strongest]],
                weights[strongest],
            ),
        )

    def merge(self, row: int, other: Interests, at: float) -> None:
        """Take another profile, as it is at ``at``, into this one."""
        rows = np.array([row])
        factor = self._move(rows, np.array([at]))
        weights, given = other.weights * factor, other.given * factor
        each = np.zeros(len(other), np.int64)
        self._take(rows, each, Interests(other.tags, weights, other.last_at, other.sources, given))

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

    def _take(self, rows: Ids, each: Ids, more: Interests) -> None:
        """Add tags to profiles; ``rows[each]`` is the profile of each of them."""
        same = self._tags[rows[each]] == more.tags[:, None]
        column = same.argmax(axis=1)
        known = same[np.arange(len(each)), column]
        if known.any():
            self._add((rows[each[known]], column[known]), _some(more, known))
        if not known.all():
            self._replace(rows, each[~known], _some(more, ~known))

    def _add(self, place: tuple[Ids, Ids], more: Interests) -> None:
        """Add to weights that are there; a tag is of what gave most of it."""
        self._weights[place] += more.weights
        self._last_at[place] = np.maximum(self._last_at[place], more.last_at)
        stronger = more.given >= self._given[place]
        place = place[0][stronger], place[1][stronger]
        self._sources[place] = more.sources[stronger]
        self._given[place] = more.given[stronger]

    def _replace(self, rows: Ids, each: Ids, more: Interests) -> None:
        """New tags take the places of the weakest, where they are stronger; strongest first."""
        order = np.lexsort((-more.weights, each))
        each = each[order]
        nth = np.arange(len(each)) - np.searchsorted(each, each)  # strongest of its profile: 0
        order, each, nth = (one[nth < self.most] for one in (order, each, nth))
        weakest = np.argsort(self._weights[rows], axis=1, kind="stable")
        place = rows[each], weakest[each, nth]
        better = more.weights[order] > self._weights[place]
        place, order = (place[0][better], place[1][better]), order[better]
        self._tags[place] = more.tags[order]
        self._weights[place] = more.weights[order]
        self._last_at[place] = more.last_at[order]
        self._sources[place] = more.sources[order]
        self._given[place] = more.given[order]

    def _grow(self, by: int) -> None:
        first = len(self._at)
        self._at = np.append(self._at, np.zeros(by))
        for name in ("_tags", "_weights", "_last_at", "_sources", "_given"):
            old = getattr(self, name)
            fresh = np.full((by, self.most), _FREE if name == "_tags" else 0, old.dtype)
            setattr(self, name, np.concatenate([old, fresh]))
        self._free = list(range(first + by - 1, first - 1, -1))
