"""Page views over HTTP, the agent's card that knows them, one key that sends, the page Content."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from playwright.async_api import expect

from bot.settings import Settings
from bot.store import Store
from bot.store.events import Events

pytestmark = pytest.mark.browser

SITE = "https://shop.example"
PAGES = (
    ("umbrellas/red", "Red folding umbrella"),
    ("umbrellas/blue", "Blue folding umbrella"),
    ("boots/rubber", "Rubber boots"),
)


def view(customer: str, path: str, title: str) -> dict:
    return {"name": "page_view", "customer": customer, "url": f"{SITE}/{path}", "title": title}


@pytest.fixture
async def shop(tmp_path, launch):
    """A server, a program that may write, the site's key, and a question of Anna's."""
    settings = Settings(data_dir=str(tmp_path / "data"))
    store = Store.open(settings)
    _, secret = await store.people.create_token("shop", ["messages:write", "events:write"])
    await store.close()
    events = Events.open(settings, lambda: 0.0)
    key = await events.site_key()
    await events.close()
    server = await launch(tmp_path / "data", NEUROBOT_WIDGET__ALLOWED_ORIGINS=SITE,
                          NEUROBOT_ANSWERS__UNDO_S="0.2")  # fmt: skip
    async with (
        aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {secret}"}) as program,
        aiohttp.ClientSession(server.url) as browser,
    ):

        async def see(*events: dict) -> None:
            async with browser.post(f"/api/v1/events?key={key}", json=events) as reply:
                assert reply.status == 204, await reply.text()

        question = {"external_id": "1", "customer": {"id": "anna", "name": "Anna"},
                    "text": "Is it still raining?"}  # fmt: skip
        async with program.post("/api/v1/messages", json=question) as reply:
            assert reply.status == 201
            talk = (await reply.json())["conversation_id"]
        yield server, see, talk
    assert await server.stop() == 0, "".join(server.lines)


async def test_from_page_views_to_an_offer_and_its_click(shop, watch) -> None:
    server, see, talk = shop
    await see(*(view("somebody else", *page) for page in PAGES))
    await see(view("anna", *PAGES[0]))
    page = await (await watch(locale="en-GB")).page(server.url)
    await page.goto(await server.printed(r"(https?://\S+/sign-in/link/\S+)"))
    await page.get_by_role("button").last.click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)

    await page.goto(f"{server.url}/desk?view=all&c={talk}")
    card = page.locator('[data-part="card"]')
    await expect(card.locator(".interest-tags")).to_contain_text("umbrella")
    first = card.locator("[data-offer]").first
    await expect(first).to_contain_text("Blue folding umbrella")
    await expect(first).to_contain_text("in common:")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_contain_text("send the first offer")
    await page.keyboard.press("Escape")
    await page.keyboard.press("KeyO")
    sent = page.locator('[data-part="thread"]').get_by_text(f"{SITE}/umbrellas/blue")
    await expect(sent).to_be_visible()
    await expect(page.locator('textarea[name="text"]').first).to_have_value("")

    await see(view("anna", *PAGES[1]))
    row = page.get_by_role("row").filter(has_text="in the chat by an agent")
    async with asyncio.timeout(10):  # clicks are stored every two seconds
        while True:
            await page.goto(f"{server.url}/admin/content?customer=anna")
            if await row.locator("td").nth(1).inner_text() == "1":
                break
    await expect(page.locator(".tag-cloud")).to_contain_text("umbrella")
    await page.get_by_role("button", name="Erase the profile").click()
    await page.get_by_role("dialog").get_by_role("button").last.click()
    await expect(page.get_by_text("The profile of “anna” is erased.")).to_be_visible()
    await page.goto(f"{server.url}/chat")
    await page.get_by_text("What we know of your interests").click()
    await expect(page.get_by_text("Nothing.")).to_be_visible()
    await page.close()
