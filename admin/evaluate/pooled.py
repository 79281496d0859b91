"""The server's candidate index, asked to rank some of its articles alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bot.candidates import CandidateIndex
from index.passages import PassageScores
from nlp.ranker import DualEncoder

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

_MOST = 45  # as many as the server ranks: thirty by words and the dense finds


class PooledIndex(CandidateIndex):
    """Candidates from a given set of articles; from all of them until one is given."""

    def __init__(self, encoder: DualEncoder | None = None, device: str = "cpu") -> None:
        super().__init__(encoder, device)
        self._allowed: frozenset[int] | None = None

    def among(self, answer_ids: Iterable[int] | None) -> None:
        """Search these articles alone from now on; None: all."""
        self._allowed = None if answer_ids is None else frozenset(answer_ids)

    def _choose(self, scores: PassageScores, vector: Floats | None, top: int) -> Ids:
        if self._allowed is None:
            return super()._choose(scores, vector, top)
        rows = np.asarray(sorted(self._row_of[one] for one in self._allowed), np.int64)
        # Statistics of terms stay those of the whole knowledge base; only the field is smaller.
        total = scores.weighted(self.fixed_weights())[rows]
        order = rows[np.lexsort((rows, -total))]
        return order[:_MOST]
