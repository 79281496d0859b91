"""What is offered to somebody or beside an item, each with its reason."""

from __future__ import annotations

import msgspec

from bot.recommending.audience import Audience
from bot.recommending.shelf import Shelf
from bot.store.items import StoredItem
from nlp.tag_vocabulary import Kind
from nlp.tags import Tagged

OF_SECTION = 2  # most items of one section while others are left
_REASONS = 3


class Reason(msgspec.Struct, frozen=True):
    """A tag that an item shares with a profile. ``page``: title of what gave it, may be empty."""

    tag: str
    page: str = ""


class Offer(msgspec.Struct, frozen=True):
    """One recommended item.

    Attributes:
        reasons: shared tags, strongest first; empty for what is offered because many look at it.
    """

    item: StoredItem
    reasons: tuple[Reason, ...]


class Interest(msgspec.Struct, frozen=True):
    """A tag of somebody's profile as people see it.

    Attributes:
        share: of the strongest tag's weight, 0..1.
        page, url: of what gave most of it; empty where that is gone.
    """

    tag: str
    share: float
    last_at: float
    page: str
    url: str


def interests(shelf: Shelf, audience: Audience, subject: str) -> list[Interest]:
    """A profile in words, strongest first. Places are left out: they are no interest."""
    own = audience.interests(subject)
    if own is None:
        return []
    vocabulary = shelf.reader.vocabulary
    found = []
    for tag, weight, last_at, source in zip(
        own.tags.tolist(), own.weights.tolist(), own.last_at.tolist(), own.sources.tolist(),
        strict=True,
    ):  # fmt: skip
        if vocabulary.kind(tag) != Kind.PLACE:
            known = shelf.get(source)
            title, url = (known.item.title, known.item.url) if known else ("", "")
            found.append((tag, weight, last_at, title, url))
    strongest = max((weight for _, weight, *_ in found), default=1.0) or 1.0
    return [
        Interest(vocabulary.text(tag), weight / strongest, last_at, title, url)
        for tag, weight, last_at, title, url in found
    ]


def for_person(
    shelf: Shelf, audience: Audience, subject: str, k: int, *, now: float,
    renewable: dict[int, StoredItem],
) -> list[Offer]:  # fmt: skip
    """Up to ``k`` items; what many look at fills up where the profile says too little."""
    out = audience.left_out(subject, renewable, now)
    own = audience.interests(subject)
    found: list[Offer] = []
    if own is not None and len(own):
        tags = shelf.weighed(Tagged(own.tags, own.weights))
        keys = shelf.search(tags, k, leave_out=out, of_section=OF_SECTION)
        source = dict(zip(own.tags.tolist(), own.sources.tolist(), strict=True))
        found = [_offer(shelf, key, tags, source) for key in keys]
    return found + _popular(shelf, k - len(found), now, out | {one.item.id for one in found})


def beside_item(shelf: Shelf, key: int, k: int, *, now: float) -> list[Offer]:
    """Up to ``k`` items that suit whoever looks at this one."""
    known = shelf.get(key)
    if known is None:
        return []
    tags = shelf.weighed(known.own)
    keys = shelf.search(tags, k, leave_out=[key], of_section=OF_SECTION)
    found = [_offer(shelf, one, tags, {}) for one in keys]
    return found + _popular(shelf, k - len(found), now, {key, *keys})


def _offer(shelf: Shelf, key: int, tags: Tagged, source: dict[int, int]) -> Offer:
    known = shelf.get(key)
    if known is None:
        raise KeyError(key)
    vocabulary = shelf.reader.vocabulary
    shared = shelf.shared(key, tags)
    # A place says less than a word, and is told where there is no word alone.
    told = [tag for tag in shared if vocabulary.kind(tag) != Kind.PLACE] or shared
    reasons = []
    for tag in told[:_REASONS]:
        gave = shelf.get(source.get(tag, 0))
        reasons.append(Reason(vocabulary.text(tag), gave.item.title if gave else ""))
    return Offer(known.item, tuple(reasons))


def _popular(shelf: Shelf, k: int, now: float, leave_out: set[int]) -> list[Offer]:
    if k <= 0:
        return []
    keys = shelf.popular(k, now, leave_out=leave_out)
    return [Offer(known.item, ()) for key in keys if (known := shelf.get(key)) is not None]
