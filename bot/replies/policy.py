"""When the bot may answer by itself, and the words of the system, as pure functions.

Nothing here reads the clock, the database or a channel; ``bot.replies.speaker`` acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.catalogue import LANGUAGES, Catalogue
from bot.domain import ConversationState, Decision, Message, MessageKind, Suggestion, Suggestions
from bot.handover import bot_may_speak
from bot.replies.hours import away_text
from bot.settings import Settings

PERSON_KEY = "system.talk-to-person"
_COMMANDS = {"/start": "start", "/help": "help", "/помощь": "help"}
# Whole messages that ask for nothing but a person.
_PERSON_PHRASES = frozenset(
    {
        "оператор", "человек", "позовите человека", "позовите оператора", "нужен человек",
        "нужен оператор", "живой человек", "operator", "human", "agent", "a person", "person",
        "talk to a human", "talk to an agent", "talk to a person", "real person",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do with a burst of messages: ``answer`` is set for ``Decision.ANSWER`` alone."""

    decision: Decision
    answer: Suggestion | None = None
    to_person: bool = False  # the conversation leaves the bot


def decide(
    suggestions: Suggestions,
    *,
    state: ConversationState,
    automatic: Mapping[str, float],
    plain: bool,
    person_wanted: bool,
) -> Outcome:
    """The decision for a burst.

    Args:
        suggestions: of all texts of the burst together.
        state: of the conversation.
        automatic: threshold of each category where the bot may answer.
        plain: the burst is words alone; nobody answers a picture unseen.
        person_wanted: the customer asked for a person.
    """
    if not bot_may_speak(state):
        return Outcome(Decision.HANDOFF if person_wanted else Decision.SUGGEST)
    if person_wanted:
        return Outcome(Decision.HANDOFF, to_person=True)
    if suggestions.foreign:
        return Outcome(Decision.SUGGEST, to_person=True)
    best = suggestions.items[0] if suggestions.items else None
    if best is not None and plain and may_send(best, suggestions.language, automatic):
        return Outcome(Decision.ANSWER, answer=best)
    return Outcome(Decision.HANDOFF, to_person=True)


def may_send(best: Suggestion, language: str, automatic: Mapping[str, float]) -> bool:
    """True when a customer may read this answer without an agent.

    Args:
        best: the answer.
        language: of the question; empty where it is unknown.
        automatic: threshold of each category where the bot may answer.
    """
    threshold = automatic.get(best.category)
    if threshold is None or best.confidence < threshold or not best.sure:
        return False
    if best.reasons.other_language:
        return False
    return not language or not best.language or best.language == language


def command_of(text: str) -> str | None:
    """``start`` or ``help`` where the message is that command, with or without arguments."""
    word = text.strip().split(maxsplit=1)[0] if text.strip() else ""
    return _COMMANDS.get(word.partition("@")[0].casefold())


def asks_for_person(text: str, catalogue: Catalogue) -> bool:
    """True for the words of the button in any language, and for a bare "operator" or the like."""
    said = " ".join(text.casefold().split()).strip(" .!?")
    buttons = {catalogue.text(PERSON_KEY, language).casefold() for language in LANGUAGES}
    return said in buttons or said in _PERSON_PHRASES


def language_of(settings: Settings, *known: str) -> str:
    """The first known language that the product speaks, else the one of the settings."""
    for tag in known:
        if tag[:2].lower() in LANGUAGES:
            return tag[:2].lower()
    return settings.language


def command_text(settings: Settings, catalogue: Catalogue, language: str, command: str) -> str:
    """The answer to ``/start`` or ``/help``."""
    if command == "start":
        return catalogue.text("system.start", language, company=settings.company)
    return catalogue.text(
        "system.help",
        language,
        megabytes=settings.telegram.max_file_bytes // 1_000_000,
        button=catalogue.text(PERSON_KEY, language),
    )


def unsupported_text(message: Message, catalogue: Catalogue, language: str) -> str | None:
    """A friendly word about what cannot be read; None where the message came with words.

    The first line of an unsupported message names its kind in its first word, a caption follows.
    """
    first, _, caption = message.text.partition("\n")
    if message.kind is not MessageKind.UNSUPPORTED or caption.strip():
        return None
    word = first.split(maxsplit=1)[0] if first.split() else "other"
    key = f"system.kind.{word}"
    if key not in catalogue:
        key = "system.kind.other"
    return catalogue.text("system.unsupported", language, what=catalogue.text(key, language))


def words_of(message: Message) -> str:
    """What of a message is a question: its text, or the caption of something unsupported."""
    if message.kind is MessageKind.UNSUPPORTED:
        return message.text.partition("\n")[2]
    return message.text


def is_plain(messages: Iterable[Message]) -> bool:
    """True when all messages are words alone."""
    return all(m.kind is MessageKind.TEXT and m.attachment is None for m in messages)


def handoff_text(settings: Settings, catalogue: Catalogue, language: str, now: float) -> str:
    """The words for "a person will answer", with the hour where nobody is there."""
    away = away_text(settings, catalogue, language, now)
    if away is None:
        return catalogue.text("system.person-soon", language)
    return catalogue.text("system.person-away", language, away=away)
