"""Numbers, times and sizes as each language writes them.

The browser repeats ``ago`` and ``span`` every half minute from the same unit words (see
``static/ui.js``), so that both sides always agree.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

import msgspec

NBSP = "\u00a0"
UNITS = {
    "ru": {
        "m": "мин",
        "h": "ч",
        "d": "дн",
        "ago": "{} назад",
        "now": "только что",
        "less": "< 1 мин",
    },
    "en": {"m": "min", "h": "h", "d": "d", "ago": "{} ago", "now": "just now", "less": "< 1 min"},
}
_MONTHS = {
    "ru": ("янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_LONG_MONTHS = {
    "ru": (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
_SIZES = {"ru": ("Б", "КБ", "МБ", "ГБ", "ТБ"), "en": ("B", "KB", "MB", "GB", "TB")}


class Formats(msgspec.Struct, frozen=True):
    """The manners of one language in one time zone."""

    language: str
    timezone: tzinfo

    def number(self, value: float, digits: int = 0) -> str:
        """Grouped number: ``12,345.6`` in English, ``12 345,6`` in Russian."""
        text = f"{value:,.{digits}f}"
        if self.language == "ru":
            head, _, tail = text.partition(".")
            return head.replace(",", NBSP) + ("," + tail if tail else "")
        return text

    def percent(self, share: float, digits: int = 0) -> str:
        """Percent of a share 0..1; no decimals unless asked."""
        gap = NBSP if self.language == "ru" else ""
        return f"{self.number(share * 100, digits)}{gap}%"

    def size(self, count: float) -> str:
        """Bytes as a short size, in steps of 1024."""
        step = 0
        while count >= 1024 and step < 4:
            count /= 1024
            step += 1
        digits = 1 if step and count < 10 else 0
        return f"{self.number(count, digits)}{NBSP}{_SIZES[self.language][step]}"

    def span(self, seconds: float) -> str:
        """A length of time in its one largest unit: ``2 min``, ``3 h``, ``4 d``."""
        words = UNITS[self.language]
        if seconds < 60:
            return words["less"]
        for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds >= length:
                return f"{int(seconds // length)}{NBSP}{words[unit]}"
        raise AssertionError

    def ago(self, at: float, now: float) -> str:
        """How long ago; the date once a week has passed."""
        seconds = now - at
        if seconds < 60:
            return UNITS[self.language]["now"]
        if seconds >= 7 * 86400:
            return self.date(at, now)
        return UNITS[self.language]["ago"].format(self.span(seconds))

    def date(self, at: float, now: float) -> str:
        """Day and month; the year where it is another one."""
        day = datetime.fromtimestamp(at, self.timezone)
        text = f"{day.day}{NBSP}{_MONTHS[self.language][day.month - 1]}"
        same = day.year == datetime.fromtimestamp(now, self.timezone).year
        return text if same else f"{text}{NBSP}{day.year}"

    def exact(self, at: float) -> str:
        """Date, time and zone, for the pointer that rests on a relative time."""
        moment = datetime.fromtimestamp(at, self.timezone)
        month = _LONG_MONTHS[self.language][moment.month - 1]
        zone = moment.tzname() or "UTC"
        return f"{moment.day}{NBSP}{month}{NBSP}{moment.year}, {moment:%H:%M:%S} {zone}"

    def clock(self, at: float) -> str:
        """Hours and minutes."""
        return f"{datetime.fromtimestamp(at, self.timezone):%H:%M}"

    def when(self, at: float, now: float) -> str:
        """A moment near now: the clock alone today, with the date on other days."""
        clock = self.clock(at)
        return clock if self.day_distance(at, now) == 0 else f"{self.date(at, now)}, {clock}"

    def day_distance(self, at: float, now: float) -> int:
        """Whole calendar days between two moments: 0 today, 1 yesterday."""
        here, there = (datetime.fromtimestamp(value, self.timezone).date() for value in (now, at))
        return (here - there).days

    def iso(self, at: float) -> str:
        """Machine-readable moment for ``<time datetime>``."""
        return datetime.fromtimestamp(at, self.timezone).isoformat(timespec="seconds")
