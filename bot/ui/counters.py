"""Counters of customers in words: "logins in 28 days: 4", "messages −60 % in 7 days"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bot.ui.formats import Formats

Translate = Callable[..., str]

_COUNTER: Final = re.compile(r"(?P<name>.+)\.(?P<days>\d{1,4})d(?P<change>\.change)?")
_KNOWN: Final = frozenset(
    {"days_active", "events", "tools", "logins", "tickets", "messages", "verdicts"}
)
_WHOLE: Final = frozenset({"idle_days", "known_days"})
_SUM: Final = "sum."


def name_in_words(name: str, t: Translate) -> str:
    """A counter without its value."""
    found = _COUNTER.fullmatch(name)
    if found is None:
        return t(f"counter.{name}") if name in _WHOLE else name
    key = "counter.change-of" if found["change"] else "counter.within"
    return t(key, name=_base(found["name"], t), n=int(found["days"]))


def in_words(name: str, value: Any, t: Translate, formats: Formats) -> str:
    """A counter with its value; a name that is not ours stands as it is."""
    if isinstance(value, str) or value is None:
        return f"{name_in_words(name, t)}: {value or '—'}"
    found = _COUNTER.fullmatch(name)
    if found is None or not found["change"]:
        return f"{name_in_words(name, t)}: {_number(float(value), formats)}"
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    change = f"{sign}{formats.percent(abs(value))}"
    base = _base(found["name"], t)
    return t("counter.changed", name=base, change=change, n=int(found["days"]))


def reasons_in_words(
    reasons: Iterable[Mapping[str, Any]], t: Translate, formats: Formats
) -> list[str]:
    """The counters of a flag, the strongest first; what the others add is left out."""
    return [in_words(one["name"], one["value"], t, formats) for one in reasons if one["name"]]


def _base(name: str, t: Translate) -> str:
    return t(f"counter.{name}") if name in _KNOWN else name.removeprefix(_SUM)


def _number(value: float, formats: Formats) -> str:
    return formats.number(value, 0 if value == int(value) else 2)
