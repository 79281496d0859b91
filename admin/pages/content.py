"""Recommendations: the catalogue, who is interested in what and why, what came of it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import audit, fields, go, page, services_of
from bot.access import Route
from bot.errors import NotFound
from bot.http import query
from bot.recommending import Offer
from bot.recommending.offering import Interest
from bot.services import Services
from bot.store.items import StoredItem
from nlp.comparison import wilson

HOME = "/admin/content"
_PERIOD_S = 30 * 86_400.0
_OFFERED = 5
_POPULAR = 10
_LATEST = 8
_SIZES = 5  # of a tag in the cloud


class _Wish(msgspec.Struct, frozen=True):
    customer: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Person(msgspec.Struct, frozen=True):
    """A profile in words, and what follows from it."""

    name: str
    interests: list[tuple[Interest, int]]  # with the size in the cloud, 1..5
    offers: list[Offer]


class Clicks(msgspec.Struct, frozen=True):
    """Click-through of one place with its 95 % interval, shares 0..1."""

    place: str
    shown: int
    clicked: int
    low: float
    high: float


async def content_page(request: web.Request) -> web.StreamResponse:
    """The catalogue and one person's profile."""
    services = services_of(request)
    recommending = services.recommending
    wish = query(request, _Wish)
    since = services.clock() - _PERIOD_S
    await recommending.settled()
    known = list(recommending.shelf.items())
    kinds = Counter(one.item.kind for one in known)
    return page(
        request,
        "panel_content.html",
        "customers",
        wish=wish,
        reading=not recommending.is_ready,
        items=len(known),
        kinds=kinds,
        nameless=sum(1 for one in known if not one.item.title.strip()),
        refused=recommending.refused,
        offered=await services.store.profiles.offered(since),
        profiles=len(recommending.audience),
        clicks=[
            Clicks(one.place, one.shown, one.clicked, *wilson(one.clicked, one.shown))
            for one in await recommending.click_through(since)
        ],
        popular=_popular(services),
        latest=[
            (subject[2:], at, f"{HOME}?{urlencode({'customer': subject[2:]})}#person")
            for subject, at in recommending.audience.latest(_LATEST)
        ],
        person=await _person(services, wish.customer) if wish.customer else None,
    )


async def erase(request: web.Request) -> web.StreamResponse:
    """Forget what somebody is interested in."""
    services = services_of(request)
    name = (await fields(request)).get("customer", "")
    subject = await services.recommending.named(name)
    await services.recommending.forget(await services.recommending.subjects(subject[2:]))
    await audit(request, "profile.erased", name[:80])
    return go(HOME, "content-erased", name=name[:80])


async def remove(request: web.Request) -> web.StreamResponse:
    """Offer an item no more."""
    services = services_of(request)
    reference = (await fields(request)).get("item", "")
    key = services.recommending.shelf.find(reference)
    known = services.recommending.shelf.get(key) if key is not None else None
    if known is None:
        raise NotFound(f"There is no item '{reference[:80]}'.")
    await services.recommending.remove(known.item.external_id)
    await audit(request, "item.removed", known.item.external_id[:200])
    return go(HOME, "content-removed", title=known.item.title[:80])


async def _person(services: Services, name: str) -> Person:
    subject = await services.recommending.named(name)
    found = services.recommending.interests(subject)
    return Person(
        name,
        [(one, max(1, round(one.share * _SIZES))) for one in found],
        services.recommending.for_subject(subject, _OFFERED),
    )


def _popular(services: Services) -> list[tuple[StoredItem, float]]:
    shelf, now = services.recommending.shelf, services.clock()
    found = [shelf.get(key) for key in shelf.popular(_POPULAR, now, leave_out=())]
    return [(one.item, shelf.views(one.item.id, now)) for one in found if one is not None]


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", HOME, content_page, "admin"),
        Route("POST", f"{HOME}/erase", erase, "admin"),
        Route("POST", f"{HOME}/remove", remove, "admin"),
    )
