"""What a reply says of the suggestions that were on the screen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bot.desk.distance import edit_distance
from bot.domain import Suggestions, Verdict, VerdictRecord

# More than this share of the longer text changed: the agent wrote an own answer after all.
_OTHER_WORDS_FROM = 0.8


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts of one reply; ``answer_id`` and ``rank`` of the suggestion it came from, if any."""

    records: tuple[VerdictRecord, ...]
    answer_id: int | None
    rank: int | None


def judge(
    shown: Suggestions,
    text: str,
    *,
    question_id: int,
    chosen: int | None,
    rejected: Collection[int],
    agent_id: int,
    now: float,
) -> Judged:
    """Accepted when sent untouched, edited when changed, ignored when others were shown.

    Args:
        shown: the suggestions on the screen.
        text: the reply.
        question_id: the customer's message that they belong to.
        chosen: answer that was put into the composer, None when the agent wrote alone.
        rejected: answers that already have a verdict of this agent.
        agent_id: who replied.
        now: UTC epoch seconds.
    """
    written = text.strip()
    used = _used(shown, written, chosen)
    records = []
    for rank, item in enumerate(shown.items, 1):
        if item.answer_id in rejected and item.answer_id != used:
            continue
        distance = 0
        verdict = Verdict.IGNORED
        if item.answer_id == used:
            distance = edit_distance(item.text.strip(), written)
            verdict = Verdict.EDITED if distance else Verdict.ACCEPTED
        records.append(
            VerdictRecord(
                message_id=question_id,
                answer_id=item.answer_id,
                rank=rank,
                verdict=verdict,
                agent_id=agent_id,
                created_at=now,
                confidence=item.confidence,
                model_version=shown.model_version,
                edit_distance=distance,
            )
        )
    rank_used = next((i for i, item in enumerate(shown.items, 1) if item.answer_id == used), None)
    return Judged(tuple(records), used, rank_used)


def _used(shown: Suggestions, written: str, chosen: int | None) -> int | None:
    """Answer that the reply came from: sent word for word, or chosen and still recognisable."""
    for item in shown.items:
        if item.text.strip() == written:
            return item.answer_id
    for item in shown.items:
        if item.answer_id == chosen:
            longest = max(len(item.text.strip()), len(written), 1)
            if edit_distance(item.text.strip(), written) <= _OTHER_WORDS_FROM * longest:
                return item.answer_id
    return None
