"""Rows of term ids that are nearly the same: min-hash signatures, banded, every find verified.

Takes sets of non-negative integer ids, never text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_BANDS = 20
_ROWS = 4  # per band: sets of Jaccard .8 share a band with probability 1 - 3e-5, of .3 .15
_WIDTH = _BANDS * _ROWS
_PRIME = np.uint64((1 << 31) - 1)
_SEED = 20_240_229


class NearPair(msgspec.Struct, frozen=True):
    """Two rows and the Jaccard coefficient of their ids, 0..1; ``first < second``."""

    first: int
    second: int
    likeness: float


def near_pairs(rows: Sequence[Ids], threshold: float, *, most_alike: int = 20) -> list[NearPair]:
    """Pairs of rows at least that alike, best first.

    Empty rows are like nothing. Of rows that share a band each is compared with the ``most_alike``
    that stand before it, so a thousand equal rows give a chain and not half a million pairs.

    Source: A. Broder, On the resemblance and containment of documents, SEQUENCES 1997; banding
    after Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, ch. 3.4.
    """
    sets = [np.unique(row) for row in rows]
    filled = [place for place, row in enumerate(sets) if len(row)]
    if len(filled) < 2:
        return []
    signatures = _signatures([sets[place] for place in filled])
    found: dict[tuple[int, int], float] = {}
    for first, second in _candidates(signatures, most_alike):
        pair = filled[first], filled[second]
        if pair not in found:
            found[pair] = _jaccard(sets[pair[0]], sets[pair[1]])
    alike = [NearPair(*pair, value) for pair, value in found.items() if value >= threshold]
    return sorted(alike, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def near_any(rows: Sequence[Ids], known: Sequence[Ids], threshold: float) -> set[int]:
    """Places of the ``rows`` that are at least that alike to any of the ``known`` ones.

    Empty rows are like nothing. Source: as ``near_pairs``.
    """
    # Of equal known rows one is enough.
    distinct = {row.tobytes(): row for row in map(np.unique, known) if len(row)}
    rivals = list(distinct.values())
    asked = {place: one for place, row in enumerate(rows) if len(one := np.unique(row))}
    if not rivals or not asked:
        return set()
    keys = _band_keys(_signatures([*asked.values(), *rivals]))
    sharing: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
    for rival, own in enumerate(keys[len(asked) :].tolist()):
        for band, key in zip(sharing, own, strict=True):
            band.setdefault(key, []).append(rival)
    found = set()
    for (place, one), own in zip(asked.items(), keys[: len(asked)].tolist(), strict=True):
        near = {r for band, key in zip(sharing, own, strict=True) for r in band.get(key, ())}
        if any(_jaccard(one, rivals[rival]) >= threshold for rival in near):
            found.add(place)
    return found


def groups(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The smallest row of the group of each row that stands in a pair."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {row: root(row) for row in list(parent)}


def _signatures(sets: Sequence[Ids]) -> NDArray[np.uint64]:
    """Smallest hash of each set under each function, ``(n, 80)``."""
    rng = np.random.default_rng(_SEED)
    slope = rng.integers(1, int(_PRIME), _WIDTH, dtype=np.uint64)
    shift = rng.integers(0, int(_PRIME), _WIDTH, dtype=np.uint64)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in sets])[:-1]])
    ids = np.concatenate(sets).astype(np.uint64)
    # The ids themselves are no random numbers; one mixing makes linear functions good enough.
    ids = ((ids ^ (ids >> np.uint64(15))) * np.uint64(0x9E3779B1)) % _PRIME
    signatures = np.empty((len(sets), _WIDTH), np.uint64)
    for column in range(_WIDTH):
        hashed = (ids * slope[column] + shift[column]) % _PRIME
        signatures[:, column] = np.minimum.reduceat(hashed, starts)
    return signatures


def _band_keys(signatures: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for each band of each signature, ``(n, 20)``; equal bands have equal ones."""
    banded = signatures.reshape(-1, _BANDS, _ROWS)
    keys = banded[:, :, 0].copy()
    for column in range(1, _ROWS):
        # Wrap-around multiplication is the mixing step of the hash, not an accident.
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + banded[:, :, column]
    return keys


def _candidates(signatures: NDArray[np.uint64], most_alike: int) -> Iterable[tuple[int, int]]:
    for key in _band_keys(signatures).T:
        order = np.argsort(key, kind="stable")
        ends = np.flatnonzero(np.diff(key[order])) + 1
        for start, end in pairwise([0, *ends.tolist(), len(order)]):
            bucket = order[start:end].tolist()
            for place, second in enumerate(bucket):
                for first in bucket[max(0, place - most_alike) : place]:
                    yield first, second


def _jaccard(first: Ids, second: Ids) -> float:
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)
