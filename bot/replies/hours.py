"""When people answer, and how a customer is told so truthfully. Pure; the moment is an argument."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.catalogue import Catalogue
from bot.errors import SettingsInvalid
from bot.settings import HoursSettings, Settings

_LOOK_AHEAD_DAYS = 9  # a week, plus the days that a change of clocks may swallow


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
