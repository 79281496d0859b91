"""Where the terms of a query stand in a text that is kept as term ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_SIEVE = 4096  # lowest bits that tell most terms of a document from those of a query


def shortened(terms: Ids) -> NDArray[np.uint32]:
    """Ids in half the memory; those that agree in 32 bits are as rare as collisions of a hash."""
    return (terms & 0xFFFFFFFF).astype(np.uint32)


def find(query: NDArray[np.uint32], flat: NDArray[np.integer]) -> tuple[Ids, Ids]:
    """Places in a text that hold a term of the sorted query, and which term that is."""
    sieve = np.zeros(_SIEVE, bool)
    sieve[query & _SIEVE - 1] = True
    hits = np.flatnonzero(sieve.take(flat & _SIEVE - 1))
    terms = flat[hits]
    place = np.minimum(np.searchsorted(query, terms), len(query) - 1)
    known = query[place] == terms
    return hits[known], place[known]
