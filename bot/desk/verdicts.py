"""What a reply says of the suggestions that were on the screen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from bot.desk.distance import edit_distance
from bot.domain import Suggestions, Verdict, VerdictRecord

# More than this share of the longer text changed: the agent wrote an own answer after all.
_OTHER_WORDS_FROM = 0.8


class FoundArticle(msgspec.Struct, frozen=True):
    """An article that the agent found by hand because it was not among the suggestions."""

    answer_id: int
    text: str


class Judged(msgspec.Struct, frozen=True):
    """Verdicts of one reply; ``answer_id`` and ``rank`` of the answer it came from, if any.

    The rank of an article that was found by hand is 0: it stood in no list.
    """

    records: tuple[VerdictRecord, ...]
    answer_id: int | None
    rank: int | None


def judge(
    shown: Suggestions | None,
    text: str,
    *,
    question_id: int,
    chosen: int | None,
    found: FoundArticle | None = None,
    rejected: Collection[int],
    agent_id: int,
    now: float,
) -> Judged:
    """Accepted when sent untouched, edited when changed, ignored when others were shown.

    Args:
        shown: the suggestions on the screen, None where there were none.
        text: the reply.
        question_id: the customer's message that they belong to.
        chosen: suggestion that was put into the composer, None when the agent wrote alone.
        found: article that the agent found and put into the composer instead.
        rejected: answers that already have a verdict of this agent.
        agent_id: who replied.
        now: UTC epoch seconds.
    """
    written, items = text.strip(), shown.items if shown is not None else ()
    used = _used({item.answer_id: item.text for item in items}, written, chosen)
    judged = [
        _Shown(rank, item.answer_id, item.text, item.confidence)
        for rank, item in enumerate(items, 1)
        if item.answer_id not in rejected or item.answer_id == used
    ]
    if used is None and found is not None and _came_from(found.text, written):
        used = found.answer_id
        judged.append(_Shown(0, used, found.text, 0.0))
    version = shown.model_version if shown is not None else None
    records = tuple(
        VerdictRecord(
            message_id=question_id,
            answer_id=one.answer_id,
            rank=one.rank,
            verdict=verdict,
            agent_id=agent_id,
            created_at=now,
            confidence=one.confidence,
            model_version=version,
            edit_distance=distance,
        )
        for one in judged
        for verdict, distance in [_verdict(one, used, written)]
    )
    return Judged(records, used, next((one.rank for one in judged if one.answer_id == used), None))


class _Shown(NamedTuple):
    rank: int
    answer_id: int
    text: str
    confidence: float


def _verdict(one: _Shown, used: int | None, written: str) -> tuple[Verdict, int]:
    if one.answer_id != used:
        return Verdict.IGNORED, 0
    distance = edit_distance(one.text.strip(), written)
    return (Verdict.EDITED if distance else Verdict.ACCEPTED), distance


def _used(answers: Mapping[int, str], written: str, chosen: int | None) -> int | None:
    """Answer that the reply came from: sent word for word, or chosen and still recognisable."""
    for answer_id, answer in answers.items():
        if answer.strip() == written:
            return answer_id
    if chosen is not None and chosen in answers and _came_from(answers[chosen], written):
        return chosen
    return None


def _came_from(answer: str, written: str) -> bool:
    longest = max(len(answer.strip()), len(written), 1)
    return edit_distance(answer.strip(), written) <= _OTHER_WORDS_FROM * longest
