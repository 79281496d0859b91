"""What the bot says by itself, as pure functions: when it may answer, and the words of the system.

Nothing here reads the clock, the database or a channel; the pipeline acts on what these decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.catalogue import LANGUAGES, Catalogue
from bot.domain import ConversationState, Decision, Message, MessageKind, Suggestion, Suggestions
from bot.errors import SettingsInvalid
from bot.handover import bot_may_speak
from bot.settings import HoursSettings, Settings

PERSON_KEY = "system.talk-to-person"
_LOOK_AHEAD_DAYS = 9  # a week, plus the days that a change of clocks may swallow
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
    if best is not None and plain and _may_send(best, suggestions.language, automatic):
        return Outcome(Decision.ANSWER, answer=best)
    return Outcome(Decision.HANDOFF, to_person=True)


def _may_send(best: Suggestion, language: str, automatic: Mapping[str, float]) -> bool:
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
    if key not in catalogue.keys():
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


def zone_of(hours: HoursSettings) -> ZoneInfo:
    """The desk's time zone.

    Raises:
        SettingsInvalid: there is no zone of that name.
    """
    try:
        return ZoneInfo(hours.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsInvalid(
            f"Settings: hours.timezone: there is no time zone '{hours.timezone}'.",
            remedy="Use a name such as Europe/Moscow.",
        ) from error


def is_open(hours: HoursSettings, now: float) -> bool:
    """True when people answer at ``now``; a shift may pass midnight, equal times mean all day."""
    if not hours.enabled:
        return True
    zone = zone_of(hours)
    today = datetime.fromtimestamp(now, zone).date()
    return any(
        day.isoweekday() in hours.days and opens <= now < closes
        for day in (today - timedelta(days=1), today)
        for opens, closes in [_shift(hours, zone, day)]
    )


def next_opening(hours: HoursSettings, now: float) -> float | None:
    """When the next shift begins after ``now``; None where no day is a working day."""
    zone = zone_of(hours)
    today = datetime.fromtimestamp(now, zone).date()
    for ahead in range(_LOOK_AHEAD_DAYS):
        day = today + timedelta(days=ahead)
        opens, _ = _shift(hours, zone, day)
        if day.isoweekday() in hours.days and opens > now:
            return opens
    return None


def _shift(hours: HoursSettings, zone: ZoneInfo, day: date) -> tuple[float, float]:
    opens, closes = time.fromisoformat(hours.opens), time.fromisoformat(hours.closes)
    last_day = day if closes > opens else day + timedelta(days=1)
    return (
        datetime.combine(day, opens, zone).timestamp(),
        datetime.combine(last_day, closes, zone).timestamp(),
    )


def local_day(hours: HoursSettings, now: float) -> str:
    """The date at the desk, ISO; the away notice is said once on each."""
    return datetime.fromtimestamp(now, zone_of(hours)).date().isoformat()


def away_text(settings: Settings, catalogue: Catalogue, language: str, now: float) -> str | None:
    """When people are back, in the customer's language; None while they are here."""
    hours = settings.hours
    if is_open(hours, now):
        return None
    at = next_opening(hours, now)
    if at is None:
        return catalogue.text("system.away.unknown", language)
    zone = zone_of(hours)
    back, here = datetime.fromtimestamp(at, zone), datetime.fromtimestamp(now, zone)
    days = (back.date() - here.date()).days
    values = {"time": f"{back:%H:%M}", "zone": _zone_name(back)}
    if days == 0:
        return catalogue.text("system.away.today", language, **values)
    if days == 1:
        return catalogue.text("system.away.tomorrow", language, **values)
    weekday = catalogue.text(f"system.weekday.{back.isoweekday()}", language)
    return catalogue.text("system.away.later", language, day=weekday, **values)


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


def handoff_text(settings: Settings, catalogue: Catalogue, language: str, now: float) -> str:
    """"A person will answer", with the hour where nobody is there."""
    away = away_text(settings, catalogue, language, now)
    if away is None:
        return catalogue.text("system.person-soon", language)
    return catalogue.text("system.person-away", language, away=away)
