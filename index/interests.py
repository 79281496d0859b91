"""A profile of tags that fade: what somebody looked at, newest most, the weakest forgotten.

A weight halves every ``half_life_s``. All weights of a profile fade alike, so it is kept at the
time of its last sight and only moved there by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HALF_LIFE_S = 30 * 86_400.0
MOST_TAGS = 30


@dataclass(slots=True)
class Interest:
    """One tag of a profile.

    Attributes:
        weight: at the time of the profile.
        last_at: epoch seconds of the newest sight that gave it.
        source: key of the item that gave most of it, and ``given``, how much that was.
    """

    weight: float
    last_at: float
    source: int
    given: float


class Interests:
    """At most ``most`` tags with weights that fade.

    Attributes:
        at: epoch seconds that the weights are of.
        tags: by tag id.
    """

    __slots__ = ("at", "half_life_s", "most", "tags")

    def __init__(
        self, at: float = 0.0, *, most: int = MOST_TAGS, half_life_s: float = HALF_LIFE_S
    ) -> None:
        self.at = at
        self.most = most
        self.half_life_s = half_life_s
        self.tags: dict[int, Interest] = {}

    def observe(
        self, tags: Sequence[int], weights: Sequence[float], at: float, source: int
    ) -> None:
        """Add what was seen at ``at``; a sight older than the profile counts as faded."""
        factor = 1.0
        if at > self.at:
            self._fade(at)
        elif at < self.at:
            factor = self.factor(self.at - at)
        for tag, weight in zip(tags, weights, strict=True):
            self._add(tag, weight * factor, at, source, weight * factor)
        self._evict()

    def merge(self, other: Interests) -> None:
        """Take another profile of the same person in."""
        factor = 1.0
        if other.at > self.at:
            self._fade(other.at)
        else:
            factor = self.factor(self.at - other.at)
        for tag, one in other.tags.items():
            self._add(tag, one.weight * factor, one.last_at, one.source, one.given * factor)
        self._evict()

    def strongest(self, now: float) -> list[tuple[int, Interest]]:
        """Tags as they are at ``now``, strongest first."""
        factor = self.factor(max(0.0, now - self.at))
        found = [
            (tag, Interest(one.weight * factor, one.last_at, one.source, one.given * factor))
            for tag, one in self.tags.items()
        ]
        return sorted(found, key=lambda pair: -pair[1].weight)

    def forget(self, sources: Iterable[int]) -> None:
        """Take out the tags that came from these items."""
        gone = frozenset(sources)
        self.tags = {tag: one for tag, one in self.tags.items() if one.source not in gone}

    def factor(self, elapsed_s: float) -> float:
        """What is left of a weight after so long, 0..1."""
        return float(0.5 ** (elapsed_s / self.half_life_s))

    def _fade(self, at: float) -> None:
        if self.tags:
            factor = self.factor(at - self.at)
            for one in self.tags.values():
                one.weight *= factor
                one.given *= factor
        self.at = at

    def _add(self, tag: int, weight: float, at: float, source: int, given: float) -> None:
        one = self.tags.get(tag)
        if one is None:
            self.tags[tag] = Interest(weight, at, source, given)
            return
        one.weight += weight
        one.last_at = max(one.last_at, at)
        if given >= one.given:
            one.source, one.given = source, given

    def _evict(self) -> None:
        """Forget the weakest; what is new is stronger than what has faded to the same weight."""
        over = len(self.tags) - self.most
        if over > 0:
            weakest = sorted(self.tags.items(), key=lambda p: (p[1].weight, p[1].last_at))[:over]
            for tag, _ in weakest:
                del self.tags[tag]
