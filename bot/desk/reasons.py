"""Why an answer is suggested, in one line."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bot.domain import Suggestion

_LONGEST_QUESTION = 90
_MOST_TERMS = 4

Translate = Callable[..., str]


class Piece(msgspec.Struct, frozen=True):
    """A part of the line. ``kind`` is a class of the style sheet."""

    kind: str
    text: str
    lang: str = ""


def pieces(suggestion: Suggestion, t: Translate) -> list[Piece]:
    """The line for one suggestion, most telling part first; may be empty."""
    reasons = suggestion.reasons
    found = []
    if reasons.other_language:
        language = "ru" if suggestion.language == "ru" else "en"
        found.append(Piece("warn", t(f"desk.reason.language-{language}")))
    if reasons.matched_question:
        question = reasons.matched_question.strip()
        if len(question) > _LONGEST_QUESTION:
            question = question[: _LONGEST_QUESTION - 1].rstrip() + "…"
        found.append(Piece("like", t("desk.reason.like", question=question)))
    if reasons.shared_terms:
        words = ", ".join(reasons.shared_terms[:_MOST_TERMS])
        found.append(Piece("shares", t("desk.reason.shares", words=words)))
    if reasons.shown:
        found.append(
            Piece("accepted", t("desk.reason.accepted", accepted=reasons.accepted, n=reasons.shown))
        )
    if reasons.category_matches and reasons.category and len(found) < 3:
        found.append(Piece("category", t("desk.reason.category", category=reasons.category)))
    return found
