"""From events over HTTP to a flag beside the conversation, through the panel alone."""

from __future__ import annotations

import random
import re
import time

import aiohttp
import msgspec
import pytest
from playwright.async_api import expect

from admin.scoring.orders import held
from bot.domain import Inbound, Role
from bot.event import Event
from bot.settings import Settings
from bot.store import Store

pytestmark = pytest.mark.browser
DAY_S = 86_400.0
# Grows quiet, belongs to a firm, and is not in the hold-out.
QUIET = next(n for n in range(1, 90, 6) if not held("churn", f"company:firm-{n}", 0.1))


@pytest.fixture
async def desk(tmp_path, launch):
    """A server with a conversation of a customer who grows quiet: server, sign-in link, token."""
    store = Store.open(Settings(data_dir=str(tmp_path / "data")))
    agent = await store.people.create_agent("olga", "Olga", Role.OWNER, "en")
    link = f"/sign-in/link/{await store.people.one_time_link(agent.id, 3600.0)}"
    _, token = await store.people.create_token("site", ("events:write",))
    await store.conversations.receive([
        Inbound("rest", "m1", f"user-{QUIET}", "How do I cancel?", received_at=time.time())
    ])  # fmt: skip
    await store.close()
    server = await launch(tmp_path / "data")
    yield server, link, token
    assert await server.stop() == 0, "".join(server.lines)


async def opened(server, link, watch, tab):
    """One of the pages about customers, signed in."""
    watched = await watch(locale="en-GB")
    page = await watched.page(server.url)
    await page.goto(server.url + link)
    await page.get_by_role("button").last.click()
    await page.goto(f"{server.url}/admin/customers")
    await page.get_by_role("link", name=tab).click()
    return page


async def send(server, token, events) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(server.url, headers=headers) as site:
        for first in range(0, len(events), 1000):
            body = msgspec.json.encode(events[first : first + 1000])
            async with site.post("/api/v1/events", data=body) as reply:
                assert reply.status == 204, await reply.text()


@pytest.mark.timeout(170)
async def test_events_over_http_become_a_flag_on_the_card(desk, watch, fading) -> None:
    server, link, token = desk
    await send(server, token, fading(time.time()))
    page = await opened(server, link, watch, "Churn")
    await page.get_by_role("button", name="Count the events").click()
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await expect(page.get_by_role("heading", name="May leave", exact=True)).to_be_visible(
        timeout=90_000
    )
    await expect(page.get_by_role("row", name=re.compile(r"firm-\d+")).first).to_be_visible()

    slider = page.get_by_role("slider")
    await slider.focus()
    await page.keyboard.press("Home")
    few = await slider.get_attribute("aria-valuetext")
    await page.keyboard.press("End")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("^100%"))
    assert few != await slider.get_attribute("aria-valuetext")
    await page.get_by_role("button", name="Flag from here").click()
    await expect(page.get_by_text("The threshold is saved")).to_be_visible()
    everybody = await page.locator("tbody tr", has_text="company").count()
    assert everybody > 10

    await page.get_by_label("Company or customer").fill(f"firm-{QUIET}")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row", name=re.compile(rf"firm-{QUIET}\b"))).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download CSV").click()
    assert (await download.value).suggested_filename == "churn-flags.csv"

    await page.goto(f"{server.url}/desk?view=all")
    await page.get_by_role("link", name=re.compile("^Flagged")).click()
    await page.locator("a.row").first.click()
    card = page.get_by_role("region", name="Forecast")
    await expect(card.get_by_text("may leave")).to_be_visible()
    await expect(card.get_by_text(re.compile(r"in \d+ days"))).to_be_visible()


def bought(now: float) -> list[Event]:
    """A year of purchases: some buy often and for long, most once."""
    numbers, found = random.Random(5), []
    for customer in range(260):
        rate, middle = numbers.gammavariate(0.6, 0.06), numbers.uniform(5, 60)
        ago = float(numbers.randint(100, 190))
        while ago > 0:
            amount = round(middle * numbers.uniform(0.5, 1.5), 2)
            found.append(
                Event(id=f"p{len(found)}", at=now - (ago + 1) * DAY_S, name="bought",
                      customer=f"buyer-{customer}", counters={"amount": amount})
            )  # fmt: skip
            ago -= numbers.expovariate(rate) + 1
    return found


@pytest.mark.timeout(170)
async def test_purchases_over_http_become_values(desk, watch) -> None:
    server, link, token = desk
    await send(server, token, bought(time.time()))
    page = await opened(server, link, watch, "Value")
    await page.get_by_label("Event of a purchase").fill("bought")
    await page.get_by_label("Counter of the amount").fill("amount")
    await page.get_by_role("button", name="Count the events").click()
    await expect(page.get_by_role("heading", name="Worth most")).to_be_visible(timeout=90_000)
    await expect(page.get_by_role("row", name=re.compile(r"buyer-\d+")).first).to_be_visible()
    await expect(page.get_by_role("figure", name="Foretold and spent")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download CSV").click()
    assert (await download.value).suggested_filename.endswith(".csv")
