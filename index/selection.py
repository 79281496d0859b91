"""The best of many scores without sorting them all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from index import native

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_BLOCK = 64
_FEW = 1000  # rows that a heap holds more quickly than they are sorted


def contains(ordered: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> list[bool]:
    """Which of some numbers stand among sorted ones."""
    if native.library is not None:
        there = np.empty(len(wanted), np.bool_)
        native.library.contains(ordered, wanted, there)
        return list(there.tolist())
    if not len(ordered):
        return [False] * len(wanted)
    at = np.minimum(ordered.searchsorted(wanted), len(ordered) - 1)
    return list((ordered[at] == wanted).tolist())


def best_rows(scores: Floats, k: int) -> Ids:
    """Rows of the ``k`` highest positive scores, best first, of equal ones the lower row first.

    The k-th best of the blocks' maxima is a lower bound of the k-th best score, so that one pass
    leaves little to sort.
    """
    if k <= 0 or not len(scores):
        return np.empty(0, np.int64)
    if native.library is not None and k <= _FEW:
        found = np.empty(min(k, len(scores)), np.int64)
        return found[: native.library.best_rows(np.ascontiguousarray(scores, np.float32), found)]
    block = min(_BLOCK, len(scores) // (2 * k))  # blocks enough for the bound to be a near one
    if block > 1:
        whole = len(scores) // block
        # Any blocks will do; these lie across the rows, which is a maximum of whole arrays.
        maxima = scores[: whole * block].reshape(block, whole).max(axis=0)
        bound = float(np.partition(maxima, whole - k)[whole - k])
        rows = np.flatnonzero(scores >= bound) if bound > 0 else np.flatnonzero(scores > 0)
    else:
        rows = np.flatnonzero(scores > 0)
    return rows[np.argsort(-scores[rows], kind="stable")[:k]]
