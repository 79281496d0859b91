"""The page Content: empty, filled, a profile with its reasons, erasing and removing."""

from __future__ import annotations

import pytest

from bot.event import PAGE_VIEW, Event
from bot.store.items import StoredItem

HOME = "/admin/content"
TITLES = ("Red folding umbrella", "Blue folding umbrella", "Rubber boots", "")


@pytest.fixture
async def filled(server):
    """A catalogue and a customer who looked at two of its items."""
    recommending = server.services.recommending
    await recommending.put(
        [
            StoredItem(
                id=0, external_id=f"i{n}", kind="product", title=title, path=f"s{n}/x",
                url="" if n else "https://shop.example/0",
            )
            for n, title in enumerate(TITLES)
        ]
    )  # fmt: skip
    now = server.services.clock()
    for number, name in enumerate(("i0", "i2")):
        seen = Event(
            id=str(number), at=now - number * 86_400, name=PAGE_VIEW, customer="anna", item=name
        )
        recommending.observe([seen])
    return recommending


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_empty_it_says_what_fills_it(owner, lang) -> None:
    text = await owner.get(HOME, lang=lang)
    assert "/admin/knowledge/import" in text
    assert "neurobot import items" in text


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_filled_in_both_languages(owner, filled, lang) -> None:
    text = await owner.get(f"{HOME}?customer=anna", lang=lang)
    assert "Red folding umbrella" in text
    assert 'class="cloud-' in text


async def test_a_profile_shows_what_gave_each_tag_and_what_to_offer(owner, filled) -> None:
    text = await owner.get(f"{HOME}?customer=anna")
    assert '<a href="https://shop.example/0" rel="noreferrer">Red folding umbrella</a>' in text
    assert "Blue folding umbrella" in text
    assert "1 without a title" in text
    assert "Nothing was shown yet" in text


async def test_somebody_unknown(owner, filled) -> None:
    text = await owner.get(f"{HOME}?customer=nobody")
    assert "Nothing is known of them yet" in text


async def test_click_through_with_its_interval(owner, filled, server) -> None:
    items = [filled.shelf.get(filled.shelf.find(name)).item for name in ("i0", "i1")]
    await filled.shown("c:anna", items, "chat")
    at = server.services.clock() + 1
    filled.observe([Event(id="c", at=at, name=PAGE_VIEW, customer="anna", item="i1")])
    await filled.flush()
    text = await owner.get(HOME)
    assert "in the chat by an agent" in text
    assert "50" in text
    assert "9\N{NO-BREAK SPACE}% – 91\N{NO-BREAK SPACE}%" in text or "9% – 91%" in text


async def test_an_admin_erases_a_profile_and_the_log_says_so(owner, filled) -> None:
    location, _ = await owner.post(f"{HOME}/erase", customer="anna")
    assert "is erased" in await owner.get(location)
    assert filled.interests("c:anna") == []
    assert "erased a profile of interests" in await owner.get("/admin/system/audit")


async def test_an_admin_takes_an_item_out(owner, filled) -> None:
    location, _ = await owner.post(f"{HOME}/remove", item="i0")
    assert "no longer offered" in await owner.get(location)
    assert filled.shelf.find("i0") is None
    await owner.post(f"{HOME}/remove", item="i0", status=404)
