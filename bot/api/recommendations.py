"""The catalogue of items, and recommendations from it, for other programs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from bot.access import Route
from bot.errors import BadRequest
from bot.http import decode, json_response, query
from bot.recommending import Offer
from bot.recommending.shelf import ARTICLE
from bot.services import SERVICES
from bot.store.items import ItemKind, StoredItem

MOST_ITEMS = 1_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NewItem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item that can be recommended; ``id`` names it, and telling it again replaces it.

    ``path`` is its place, as ``section/subsection/name``. ``renewable_s`` are the seconds after
    which it may be offered again to who saw or bought it; without them it never is.
    """

    id: Name
    title: Annotated[str, msgspec.Meta(max_length=500)] = ""
    kind: ItemKind = "page"
    description: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    path: Annotated[str, msgspec.Meta(max_length=500)] = ""
    url: Annotated[str, msgspec.Meta(max_length=2_000, pattern="^(https?://|/|$)")] = ""
    renewable_s: Annotated[float, msgspec.Meta(ge=0, le=1e10)] | None = None


class NewItems(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items to add or to replace, at most 1,000."""

    items: Annotated[list[NewItem], msgspec.Meta(min_length=1, max_length=MOST_ITEMS)]


class ItemsStored(msgspec.Struct, frozen=True):
    """They are found from now on; ``items`` is how many there are in all."""

    stored: int
    items: int


class RecommendationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For a ``customer`` (or a visitor), or beside an ``item`` (its id or address)."""

    customer: Annotated[str, msgspec.Meta(max_length=200)] = ""
    item: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5


class WhyRecommended(msgspec.Struct, frozen=True):
    """A tag that is shared; ``page``: title of what gave it to the profile."""

    tag: str
    page: str


class Recommended(msgspec.Struct, frozen=True):
    """One item; without ``because`` it is offered since many look at it."""

    id: str
    kind: ItemKind
    title: str
    url: str
    because: list[WhyRecommended]


class Recommendations(msgspec.Struct, frozen=True):
    """Best first."""

    items: list[Recommended]


async def put_items(request: web.Request) -> web.Response:
    """Add or replace items."""
    body = await decode(request, NewItems)
    services = request.config_dict[SERVICES]
    found = {item.id: stored_item(item) for item in body.items}
    await services.recommending.put(list(found.values()))
    return json_response(ItemsStored(len(found), len(services.recommending.shelf)))


async def delete_item(request: web.Request) -> web.Response:
    """Take an item out."""
    services = request.config_dict[SERVICES]
    await services.recommending.remove(request.match_info["id"])
    return web.Response(status=204)


async def recommend(request: web.Request) -> web.Response:
    """Items for somebody, which counts them as shown, or beside an item, which does not."""
    wish = query(request, RecommendationQuery)
    recommending = request.config_dict[SERVICES].recommending
    if bool(wish.customer) == bool(wish.item):
        raise BadRequest("Name a customer or an item.", remedy="?customer=… or ?item=…")
    if wish.item:
        await recommending.ready()
        offers = recommending.beside(wish.item, wish.limit)
    else:
        subject = await recommending.named(wish.customer)
        offers = recommending.for_subject(subject, wish.limit)
        await recommending.shown(subject, [one.item for one in offers], "api")
    return json_response(Recommendations([_recommended(one) for one in offers]))


def stored_item(item: NewItem) -> StoredItem:
    """The item as it is stored; its id is given later.

    Raises:
        BadRequest: the id is one of the knowledge base.
    """
    if item.id.startswith(ARTICLE):
        raise BadRequest(
            f"The id '{item.id}' belongs to the knowledge base.",
            remedy=f"Ids that begin with '{ARTICLE}' are its articles; choose another.",
        )
    return StoredItem(
        id=0, external_id=item.id, kind=item.kind, title=" ".join(item.title.split()),
        description=item.description.strip(), path=item.path.strip("/"), url=item.url,
        renewable_s=item.renewable_s,
    )  # fmt: skip


def _recommended(offer: Offer) -> Recommended:
    item = offer.item
    because = [WhyRecommended(one.tag, one.page) for one in offer.reasons]
    return Recommended(item.external_id, item.kind, item.title, item.url, because)


ROUTES = (
    Route(
        "PUT",
        "/api/v1/items",
        put_items,
        "token:catalogue:write",
        "Add items that can be recommended, or replace those with the same id.",
        NewItems,
        ItemsStored,
    ),
    Route(
        "DELETE",
        "/api/v1/items/{id:.+}",
        delete_item,
        "token:catalogue:write",
        "Take an item out; views of its page do not bring it back.",
        status=204,
    ),
    Route(
        "GET",
        "/api/v1/recommendations",
        recommend,
        "token:suggest",
        "What to offer a customer, or beside an item, with the tags that say why.",
        reply=Recommendations,
        query=RecommendationQuery,
    ),
)
