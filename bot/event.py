"""One event of a customer: a page that was seen or an action with its counters.

Who did it is known in three steps, each more than the one before: a ``visitor`` (a browser), a
``customer`` (a person, under the site's own name for them) and a ``company``. A later event that
carries two of them ties them together for all events of the visitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

PAGE_VIEW = "page_view"

Id = Annotated[str, Meta(min_length=1, max_length=64)]
# Milliseconds by mistake would be far beyond: the year 3000.
At = Annotated[float, Meta(ge=0, lt=32_503_680_000)]
EventName = Annotated[str, Meta(min_length=1, max_length=64)]
Subject = Annotated[str, Meta(max_length=200)]
Line = Annotated[str, Meta(max_length=500)]
Address = Annotated[str, Meta(max_length=2_000)]
Amount = Annotated[float, Meta(ge=-1e15, le=1e15)]
Counters = Annotated[Mapping[EventName, Amount], Meta(max_length=64)]


def customer_of(channel: str, external_id: str) -> str:
    """The name in events of a customer of the desk.

    Programs and the web chat know customers by the site's names; a messenger has numbers of its
    own, which may be somebody else's there.
    """
    return external_id if channel in {"rest", "web"} else f"{channel}:{external_id}"


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """An event with the names that files, tables and requests give its parts.

    ``id`` makes it idempotent; ``at`` is UTC epoch seconds; ``name`` is ``page_view`` or an action
    ("login", "seen", "bought", ...); ``item`` is the id of a page, an article or a product that it
    is about; ``counters`` are added up by name over a window. The limits hold where events are
    read from outside.
    """

    id: Id
    at: At
    name: EventName
    visitor: Subject = ""
    customer: Subject = ""
    company: Subject = ""
    url: Address = ""
    title: Line = ""
    h1: Line = ""
    item: Subject = ""
    counters: Counters = {}
