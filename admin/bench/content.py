"""Recommendations: profile updates a second on one core, and queries on a large catalogue.

Items are support articles made of recombined sentences; people look at them, and at pages of which
the server knows the title alone. Everything runs in memory, as in the server between two commits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from admin.bench.measuring import peak_bytes, percentiles
from admin.bench.texts import Source, TextMaker
from admin.evaluate.judging import rounded
from bot.event import PAGE_VIEW, Event
from bot.recommending.audience import Audience
from bot.recommending.offering import for_person
from bot.recommending.shelf import Shelf
from bot.recommending.watching import Watching
from bot.settings import Settings
from bot.store.items import Catalogue, StoredItem

Tell = Callable[[str], None]

_PEOPLE: Final = 2_000
_VIEWS: Final = 20_000
_TITLES: Final = 2_000  # pages that are no items
_ASKED: Final = 1_000
_ADDED: Final = 500
_OFFERED: Final = 5
_CHUNK: Final = 1_000
_NOW: Final = 1_800_000_000.0


def bench(
    sources: Sequence[Source], sizes: Sequence[int], *, name: str, tell: Tell
) -> dict[str, Any]:
    """The report: ``data`` and for each size of the catalogue the figures of ``results``.

    Args:
        sources: texts that others are made of.
        sizes: numbers of items.
        name: of the texts, for the report.
        tell: told what is done.
    """
    results = [_size(sources, size, tell) for size in sizes]
    return dict(
        rounded(
            {
                "data": {"texts": name, "sources": len(sources), "people": _PEOPLE},
                "results": results,
                "peak_bytes": peak_bytes(),
            }
        )
    )


def _size(sources: Sequence[Source], size: int, tell: Tell) -> dict[str, Any]:
    views, asked, more = (min(most, size) for most in (_VIEWS, _ASKED, _ADDED))
    items, titles = _items(sources, size + more)
    shelf = Shelf()
    audience = Audience(shelf.tags_of)
    began = time.process_time()
    for first in range(0, size, _CHUNK):
        shelf.put(items[first : min(size, first + _CHUNK)])
        tell(f"{first:,} of {size:,} items")
    build_s = time.process_time() - began
    nothing = Catalogue((), {}, {}, size)
    watching = Watching(Settings(), shelf, audience, lambda _: ("", ""), nothing)
    tell("people look at pages")
    pages_per_s = _rate(
        watching, audience, [_seen(n, titles[n % _TITLES], "") for n in range(views)]
    )
    items_per_s = _rate(watching, audience, [_seen(n, "", items[n * 7 % size].external_id)
                                   for n in range(views)])  # fmt: skip
    tell("people are asked for")

    def ask(number: int) -> object:
        subject = f"v:{number % _PEOPLE}"
        return for_person(shelf, audience, subject, _OFFERED, now=_NOW, renewable={})

    queries = percentiles(ask, asked)
    added = []
    for item in items[size:]:
        began = time.perf_counter()
        shelf.put([item])
        added.append((time.perf_counter() - began) * 1e3)
    half, last = np.quantile(added, [0.5, 0.99]).tolist()
    return {
        "n": size,
        "build_cpu_s": build_s,
        "page_updates_per_s": pages_per_s,
        "item_updates_per_s": items_per_s,
        "query_ms": queries,
        "add_ms": {"p50": half, "p99": last},
        "query_after_adding_ms": percentiles(ask, asked),
    }


def _items(sources: Sequence[Source], count: int) -> tuple[list[StoredItem], list[str]]:
    maker = TextMaker(sources)
    made = [
        StoredItem(
            id=one.answer_id, external_id=f"item {one.answer_id}", kind="article",
            title=one.title or one.text[:60], description=one.text,
            path=f"{one.category}/{one.answer_id}",
        )
        for one in maker.articles(count, past=0)
    ]  # fmt: skip
    return made, maker.questions(_TITLES)


def _seen(number: int, title: str, item: str) -> Event:
    return Event(
        id=str(number), at=_NOW - _VIEWS + number, name=PAGE_VIEW,
        visitor=str(number * 11 % _PEOPLE), title=title, h1=title, item=item,
        url=f"https://elsewhere.example/{number % _TITLES}" if title else "",
    )  # fmt: skip


def _rate(watching: Watching, audience: Audience, events: Sequence[Event]) -> float:
    """Events a second of processor time, until all of them are in the profiles."""
    began = time.process_time()
    watching.observe(events)
    audience.settle(audience.unsettled)
    return len(events) / (time.process_time() - began)
