"""What the customer card says of interests: what somebody looks at, and what to offer them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bot.domain import Customer
from bot.event import customer_of
from bot.recommending import Offer
from bot.recommending.offering import Interest
from bot.services import Services

_SHOWN_TAGS = 6
_SHOWN_OFFERS = 3


class Proposal(msgspec.Struct, frozen=True):
    """An item with the text that goes into the chat."""

    offer: Offer
    text: str


class CustomerInterests(msgspec.Struct, frozen=True):
    """The part of the card; empty while nothing is known and there is nothing to offer."""

    tags: Sequence[Interest]
    proposals: Sequence[Proposal]


async def interests_of(services: Services, customer: Customer) -> CustomerInterests:
    """Interests and proposals for a customer of the desk."""
    recommending = services.recommending
    subject = await recommending.subject(customer_of(customer.channel, customer.external_id))
    offers = recommending.for_subject(subject, _SHOWN_OFFERS)
    wanted = [-one.item.id for one in offers if one.item.id < 0]
    articles = {one.id: one.text for one in await services.store.knowledge.some(wanted)}
    return CustomerInterests(
        recommending.interests(subject)[:_SHOWN_TAGS],
        [Proposal(one, articles.get(-one.item.id) or _link(one)) for one in offers],
    )


async def offered(
    services: Services, customer: Customer, ids: Sequence[str], text: str, message_id: int
) -> None:
    """Keep which of the items a reply really holds, so that a click can be told from others."""
    held = []
    for external_id in dict.fromkeys(ids):
        key = services.recommending.shelf.find(external_id)
        known = services.recommending.shelf.get(key) if key is not None else None
        if known is not None and (known.item.id < 0 or known.item.title in text):
            held.append(known.item)
    if held:
        subject = await services.recommending.subject(
            customer_of(customer.channel, customer.external_id)
        )
        await services.recommending.shown(subject, held, "chat", message_id)


def _link(offer: Offer) -> str:
    return "\n".join(part for part in (offer.item.title, offer.item.url) if part)
