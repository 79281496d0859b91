"""The server's candidate index, asked to rank some of its articles alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.candidates import CandidateIndex
from bot.entries import Candidates
from nlp.encoders import Encoder


class PooledIndex(CandidateIndex):
    """Candidates from a given set of articles; from all of them until one is given."""

    def __init__(self, encoder: Encoder | None = None, device: str = "cpu") -> None:
        super().__init__(encoder, device)
        self._allowed: frozenset[int] | None = None

    def among(self, answer_ids: Iterable[int] | None) -> None:
        """Search these articles alone from now on; None: all."""
        self._allowed = None if answer_ids is None else frozenset(answer_ids)

    def search(
        self,
        text: str,
        top: int = 30,
        *,
        category_proba: Mapping[str, float] | None = None,
        among: Iterable[int] | None = None,
    ) -> Candidates:
        """As the server's, within the set."""
        if among is None:
            among = self._allowed
        return super().search(text, top, category_proba=category_proba, among=among)
