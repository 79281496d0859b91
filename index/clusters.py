"""Groups of vectors whose members are all alike: greedy complete linkage over cosines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def complete_link(vectors: Floats, threshold: float) -> list[list[int]]:
    """Rows in groups, largest first; within a group no two cosines are below ``threshold``.

    Shapes: ``vectors`` is ``(n, d)``, rows of length one or zero. Memory is ``n * n`` floats.
    Pairs are taken best first; two groups become one where all of their pairs allow it.

    Source: D. Defays, An efficient algorithm for a complete link method, The Computer Journal 20,
    1977, for the criterion.
    """
    alike = vectors @ vectors.T
    firsts, seconds = np.nonzero(np.triu(alike >= threshold, 1))
    best = np.argsort(-alike[firsts, seconds], kind="stable")
    group = list(range(len(vectors)))
    members: dict[int, list[int]] = {row: [row] for row in group}
    for first, second in zip(firsts[best].tolist(), seconds[best].tolist(), strict=True):
        one, other = sorted((group[first], group[second]))
        if one == other or alike[np.ix_(members[one], members[other])].min() < threshold:
            continue
        joined = members.pop(other)
        members[one] += joined
        for row in joined:
            group[row] = one
    return sorted((sorted(rows) for rows in members.values()), key=lambda rows: (-len(rows), rows))


def nearest_group(vector: Floats, groups: Sequence[Floats], threshold: float) -> int | None:
    """The group whose every member is alike to ``vector``, the most alike one; None without."""
    best: tuple[float, int] | None = None
    for number, members in enumerate(groups):
        worst = float((members @ vector).min()) if len(members) else -1.0
        if worst >= threshold and (best is None or worst > best[0]):
            best = worst, number
    return None if best is None else best[1]


def medoid(vectors: Floats) -> int:
    """The row most like all the others; the first of equals."""
    return int(np.argmax((vectors @ vectors.T).sum(axis=1)))
