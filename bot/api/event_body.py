"""The body of a request with events: one object, an array, or a line for each; what is refused.

A request is taken whole or not at all: who gets a 400 knows that nothing was stored, corrects the
event that is named and sends the same ids again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from bot.errors import BadRequest, TooLarge
from bot.event import Address, At, Counters, Event, EventName, Id, Line, Subject
from bot.http import clean, decode_bytes

_MAX_AHEAD_S = 86_400.0
# Escapes that may become NUL or half a character: what neither a table nor a terminal takes. A page
# that cuts a title in the middle of a smiley writes such.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    rb"\\(?:\\|u0000|u[dD][89abAB]..(?:\\u[dD][c-fC-F]..)?|u[dD][c-fC-F]..)", re.DOTALL
)
_PAIR = len(rb"\ud83d\ude00")


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event. Without ``id`` it cannot be told from a repeat; without ``at`` it is of now.

    At least one of ``visitor``, ``customer`` and ``company`` should say whose it is; two of them
    tie them together.
    """

    name: EventName
    id: Id | UnsetType = UNSET
    at: At | UnsetType = UNSET
    visitor: Subject = ""
    customer: Subject = ""
    company: Subject = ""
    url: Address = ""
    title: Line = ""
    h1: Line = ""
    item: Subject = ""
    counters: Counters = {}


_BOM = b"\xef\xbb\xbf"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events of a page that cannot send a header: with the site's public key."""

    key: str
    events: msgspec.Raw


_one: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
_list: Callable[[bytes], list[Event]] = msgspec.json.Decoder(list[Event]).decode


def envelope(body: bytes) -> Envelope:
    """The key and the events of ``body``.

    Raises:
        BadRequest: it is no such object.
    """
    return decode_bytes(body, Envelope)


def events_of(body: bytes, now: float, max_event_bytes: int) -> Sequence[Event]:
    """The events of ``body``, each with an id and a time that is not after ``now``.

    Raises:
        BadRequest: an event cannot be read; the text names its place, as ``$[2].name``.
        TooLarge: an event is longer than ``max_event_bytes``.
    """
    body = body.removeprefix(_BOM)
    if _SUSPECT.search(body):
        body = _ESCAPE.sub(_storable, body)
    events = _decoded(body)
    if len(body) > max_event_bytes:
        _refuse_long(body, max_event_bytes)
    if events and max(event.at for event in events) > now:
        return [_not_later(event, now, index) for index, event in enumerate(events)]
    return events


def _decoded(body: bytes) -> Sequence[Event]:
    many = body.lstrip()[:1] == b"["
    try:
        return _list(body) if many else (_one(body),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # lines, an event without id or time, or a mistake
        return _closely(body, many=many)


def _storable(escape: re.Match[bytes]) -> bytes:
    found = escape[0]
    return found if found == rb"\\" or len(found) == _PAIR else rb"\ufffd"


def _closely(body: bytes, *, many: bool) -> Sequence[Event]:
    if many:
        return [_whole(event) for event in decode_bytes(body, list[NewEvent])]
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > 1 and _is_object(lines[0]):
        return [_whole(_line(line, number)) for number, line in enumerate(lines)]
    return (_whole(decode_bytes(body, NewEvent)),)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _line(line: bytes, number: int) -> NewEvent:
    try:
        return decode_bytes(line, NewEvent)
    except BadRequest as error:
        detail = error.detail.replace("`$", f"`$[{number}]")
        raise BadRequest(detail if detail != error.detail else f"$[{number}]: {detail}") from error


def _whole(new: NewEvent) -> Event:
    fields: dict[str, Any] = msgspec.structs.asdict(new)
    if new.id is UNSET:
        fields["id"] = secrets.token_hex(16)
    if new.at is UNSET:
        fields["at"] = _NOW
    return Event(**fields)


_NOW = 32_503_680_000.0  # later than any time that is taken: stands for "now" until it is known


def _not_later(event: Event, now: float, index: int) -> Event:
    """``event`` with a clock that runs ahead set right.

    Raises:
        BadRequest: by more than a day: that is no clock.
    """
    if event.at <= now:
        return event
    if event.at > now + _MAX_AHEAD_S and event.at != _NOW:
        raise BadRequest(
            f"The time is more than a day ahead - at `$[{index}].at`.",
            remedy="Give seconds since 1970 in UTC, or leave it out: it is now.",
        )
    return msgspec.structs.replace(event, at=now)


def _refuse_long(body: bytes, limit: int) -> None:
    if body.lstrip()[:1] == b"[":
        raw = msgspec.json.decode(body, type=list[msgspec.Raw])
        parts: Sequence[Any] = [bytes(part) for part in raw]
    else:
        parts = body.split(b"\n")
    for index, part in enumerate(parts):
        if len(part) > limit:
            raise TooLarge(clean(f"The event is larger than {limit} bytes - at `$[{index}]`."))
