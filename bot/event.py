"""One event of a customer: a page that was seen or an action with its counters.

Who did it is known in three steps, each more than the one before: a ``visitor`` (a browser), a
``customer`` (a person, under the site's own name for them) and a ``company``. A later event that
carries two of them ties them together for all events of the visitor.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

PAGE_VIEW = "page_view"


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event with the names that files, tables and requests give its parts.

    ``id`` makes it idempotent; ``at`` is UTC epoch seconds; ``name`` is ``page_view`` or an action
    ("login", "seen", "bought", ...); ``item`` is the id of a page, an article or a product that it
    is about; ``counters`` are added up by name over a window.
    """

    id: str
    at: float
    name: str
    visitor: str = ""
    customer: str = ""
    company: str = ""
    url: str = ""
    title: str = ""
    h1: str = ""
    item: str = ""
    counters: Mapping[str, float] = {}
