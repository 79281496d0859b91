"""What is said without an agent: the policy, the opening hours, and the speaker."""

from __future__ import annotations

from bot.replies.hours import away_text, is_open, next_opening, zone_of
from bot.replies.policy import PERSON_KEY, Outcome, decide, may_send, words_of
from bot.replies.speaker import Response, Speaker, news_of, state_of

__all__ = [
    "PERSON_KEY",
    "Outcome",
    "Response",
    "Speaker",
    "away_text",
    "decide",
    "is_open",
    "may_send",
    "news_of",
    "next_opening",
    "state_of",
    "words_of",
    "zone_of",
]
