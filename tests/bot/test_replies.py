"""When the bot may answer, and what customers are told about the hours."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bot.catalogue import Catalogue
from bot.domain import ConversationState as State
from bot.domain import Decision, Reasons, Suggestion, Suggestions
from bot.errors import SettingsInvalid
from bot.replies import away_text, decide, is_open, next_opening, zone_of
from bot.replies.policy import asks_for_person, command_of, language_of
from bot.settings import HoursSettings, Settings

AUTOMATIC = {"delivery": 0.8}
MOSCOW = ZoneInfo("Europe/Moscow")


def suggestions(confidence=0.9, *, foreign=False, language="en", **more):
    fields = {
        "answer_id": 1, "text": "x", "title": "", "category": "delivery", "language": "en",
        "confidence": confidence, "sure": True, "reasons": Reasons(),
    } | more  # fmt: skip
    return Suggestions((), (Suggestion(**fields),), foreign, language, None, 0, True, 1.0)


def decided(found, *, state=State.BOT, automatic=AUTOMATIC, plain=True, person_wanted=False):
    return decide(found, state=state, automatic=automatic, plain=plain, person_wanted=person_wanted)


def test_the_bot_answers_when_everything_speaks_for_it():
    outcome = decided(suggestions())
    assert outcome.decision is Decision.ANSWER
    assert outcome.answer is not None
    assert not outcome.to_person


@pytest.mark.parametrize(
    ("found", "more"),
    [
        (suggestions(0.79), {}),
        (suggestions(sure=False), {}),
        (suggestions(category="refunds"), {}),
        (suggestions(language="ru"), {}),
        (suggestions(reasons=Reasons(other_language=True)), {}),
        (suggestions(foreign=True), {}),
        (suggestions(), {"automatic": {}}),
        (suggestions(), {"plain": False}),
        (suggestions(), {"person_wanted": True}),
        (Suggestions((), (), False, "en", None, 0, True, 1.0), {}),
    ],
)
def test_one_doubt_is_enough_for_a_person(found, more):
    outcome = decided(found, **more)
    assert outcome.answer is None
    assert outcome.to_person


@pytest.mark.parametrize("state", [s for s in State if s is not State.BOT])
@pytest.mark.parametrize("person_wanted", [True, False])
def test_the_bot_does_nothing_where_it_may_not_speak(state, person_wanted):
    outcome = decided(suggestions(), state=state, person_wanted=person_wanted)
    assert outcome.answer is None
    assert not outcome.to_person


def test_a_foreign_question_is_suggested_only():
    assert decided(suggestions(foreign=True)).decision is Decision.SUGGEST


def test_commands_are_known_with_arguments_and_names():
    assert command_of("/start ref42") == "start"
    assert command_of("/HELP@desk_bot") == "help"
    assert command_of("start") is None
    assert command_of("/refund") is None
    assert command_of(" ") is None


@pytest.mark.parametrize("text", ["Оператор!", "Позвать человека", "talk to a person", "human"])
def test_words_that_ask_for_a_person(text):
    assert asks_for_person(text, Catalogue.load())


def test_a_question_about_an_operator_is_a_question():
    assert not asks_for_person("Какой оператор связи у вас?", Catalogue.load())


def test_the_language_is_the_first_known_one():
    settings = Settings(language="ru")
    assert language_of(settings, "", "en-GB") == "en"
    assert language_of(settings, "de", "") == "ru"


def at(text, zone=MOSCOW):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


HOURS = HoursSettings(enabled=True, timezone="Europe/Moscow")  # Monday to Friday, 9 to 18


def test_an_unknown_zone_is_refused_by_name():
    with pytest.raises(SettingsInvalid, match="Mars/Base"):
        zone_of(HoursSettings(timezone="Mars/Base"))
    with pytest.raises(SettingsInvalid):
        zone_of(HoursSettings(timezone="../etc/passwd"))


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2027-01-14T08:59:59", False),  # a Thursday
        ("2027-01-14T09:00:00", True),
        ("2027-01-14T17:59:59", True),
        ("2027-01-14T18:00:00", False),
        ("2027-01-16T12:00:00", False),
    ],
)
def test_opening_hours(moment, open_):
    assert is_open(HOURS, at(moment)) is open_


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2027-01-14T06:00:00", "today after 09:00 (MSK)"),
        ("2027-01-14T20:00:00", "tomorrow after 09:00 (MSK)"),
        ("2027-01-15T20:00:00", "on Monday after 09:00 (MSK)"),
        ("2027-01-16T01:00:00", "on Monday after 09:00 (MSK)"),
        ("2027-01-17T01:00:00", "tomorrow after 09:00 (MSK)"),
    ],
)
def test_the_customer_hears_when_people_are_back(moment, words):
    text = away_text(Settings(hours=HOURS), Catalogue.load(), "en", at(moment))
    assert words in (text or "")


def test_nothing_is_said_while_people_are_here_or_hours_are_off():
    catalogue = Catalogue.load()
    assert away_text(Settings(hours=HOURS), catalogue, "ru", at("2027-01-14T12:00:00")) is None
    assert away_text(Settings(), catalogue, "ru", at("2027-01-14T03:00:00")) is None


def test_without_working_days_no_hour_is_promised():
    hours = HoursSettings(enabled=True, days=())
    assert next_opening(hours, at("2027-01-14T12:00:00")) is None
    text = away_text(Settings(hours=hours), Catalogue.load(), "en", 0.0)
    assert "as soon as we are back" in (text or "")


def test_a_night_shift_belongs_to_the_day_it_begins():
    night = HoursSettings(enabled=True, timezone="UTC", opens="22:00", closes="06:00", days=(5,))
    utc = ZoneInfo("UTC")
    assert is_open(night, at("2027-01-15T23:00:00", utc))
    assert is_open(night, at("2027-01-16T05:59:00", utc))
    assert not is_open(night, at("2027-01-15T05:00:00", utc))
    assert not is_open(night, at("2027-01-16T23:00:00", utc))


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2027-03-27T20:00:00", "2027-03-28T09:00:00"),
        ("2027-10-30T20:00:00", "2027-10-31T09:00:00"),
    ],
)
def test_a_change_of_clocks_moves_the_opening_with_it(moment, opening):
    zone = ZoneInfo("Europe/Berlin")
    hours = HoursSettings(enabled=True, timezone="Europe/Berlin", days=(1, 2, 3, 4, 5, 6, 7))
    assert next_opening(hours, at(moment, zone)) == at(opening, zone)
