"""A site on another port with our script: what its visitors open and do arrives, once."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest
from aiohttp import web
from playwright.async_api import expect

from bot.settings import Settings
from bot.store import Store
from bot.store.events import Events

pytestmark = pytest.mark.browser

GOODS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kettle — shop</title>
<meta name="neurobot:item" content="goods-17">
<script>(window.neurobot ||= []).push(["track", "early", {{ n: 1 }}]);</script>
<script src="{server}/events.js" data-key="{key}" async></script>{more}</head>
<body><h1>A <b>kettle</b>
of steel</h1><a href="/two">next</a></body></html>"""


class Shop:
    """A site of another origin, its desk, and what the desk stored."""

    def __init__(self, data_dir) -> None:
        self.data_dir = data_dir
        self.origin = ""
        self.server = None

    def events(self) -> list[dict]:
        with closing(sqlite3.connect(self.data_dir / "events.db")) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM events ORDER BY at").fetchall()
        return [dict(row) for row in found]

    async def arrived(self, number: int) -> list[dict]:
        async with asyncio.timeout(15):
            while len(found := self.events()) < number:
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def shop(tmp_path, launch):
    shop = Shop(tmp_path / "data")
    settings = Settings(data_dir=str(shop.data_dir))
    await Store.open(settings).close()
    events = Events.open(settings, lambda: 0.0)
    key = await events.site_key()
    await events.close()

    async def page(request: web.Request) -> web.Response:
        server, chat = shop.server.url, "chat" in request.query
        more = f'<script src="{server}/widget.js" async></script>' if chat else ""
        text = GOODS.format(server=server, key=key, more=more)
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    shop.server = await launch(shop.data_dir, NEUROBOT_WIDGET__ALLOWED_ORIGINS=shop.origin)
    yield shop
    assert await shop.server.stop() == 0, "".join(shop.server.lines)
    await runner.cleanup()


@pytest.fixture
async def page(browser):
    context = await browser.new_context(locale="en-GB")
    yield await context.new_page()
    await context.close()


async def test_pages_and_actions_arrive_once(shop, page) -> None:
    await page.goto(f"{shop.origin}/one?token=secret#part")
    await page.evaluate("""async () => {
        while (!window.neurobot?.track) await new Promise((done) => setTimeout(done, 10));
        neurobot.track("bought", { items: 2, wrong: "x", sum: NaN }, 17);
        neurobot.identify("customer-42", "company-7");
    }""")
    early, *_ = found = await shop.arrived(4)
    by_name = {event["name"]: event for event in found}
    assert set(by_name) == {"early", "page_view", "bought", "identify"}
    view = by_name["page_view"]
    assert view["url"] == f"{shop.origin}/one"
    assert (view["title"], view["h1"]) == ("Kettle — shop", "A kettle of steel")
    assert view["item"] == "goods-17"
    assert by_name["bought"]["counters"] == '{"items":2.0}'
    assert by_name["bought"]["item"] == "17"
    assert by_name["identify"]["company"] == "company-7"
    assert len({event["visitor"] for event in found}) == 1
    assert early["visitor"]
    # leaving and coming back sends nothing twice, and the visitor is the same
    await page.click("a")
    await page.wait_for_url("**/two")
    found = await shop.arrived(6)
    assert found[-1]["customer"] == "customer-42"
    assert len({event["visitor"] for event in found}) == 1
    await page.wait_for_function("() => Object.keys(localStorage).length === 1")
    assert len(shop.events()) == 6


async def test_events_wait_while_the_desk_is_away_and_a_bad_one_holds_none_up(shop, page) -> None:
    await page.route(f"{shop.server.url}/api/**", lambda route: route.abort())
    await page.goto(f"{shop.origin}/one")
    await page.wait_for_function("() => window.neurobot?.track")
    await page.evaluate("() => { for (let n = 0; n < 30; n += 1) neurobot.track(`act-${n % 3}`); }")
    await page.evaluate("""() => {
        const key = Object.keys(localStorage).find((one) => localStorage[one].includes("act-1"));
        localStorage[key] = localStorage[key].replace('"name"', '"nmae"');
    }""")
    assert shop.events() == []
    await page.unroute(f"{shop.server.url}/api/**")
    await page.goto(f"{shop.origin}/two")  # 2 views, 2 early, 30 actions but the bad one
    found = await shop.arrived(33)
    await page.wait_for_function("() => Object.keys(localStorage).length === 1")
    assert len(shop.events()) == len(found) == 33


async def test_who_asks_not_to_be_tracked_is_not(shop, browser) -> None:
    context = await browser.new_context()
    wish = "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
    await context.add_init_script(wish)
    page = await context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{shop.origin}/one")
    await page.wait_for_function("() => window.neurobot?.track")
    await page.evaluate("() => { neurobot.track('bought'); neurobot.identify('c'); }")
    await page.wait_for_timeout(1500)
    assert await page.evaluate("() => localStorage.length") == 0
    await context.close()
    assert not [url for url in asked if "/api/" in url]
    assert shop.events() == []


async def test_the_chat_ties_the_visitor_to_the_conversation(shop, page) -> None:
    await page.goto(f"{shop.origin}/one?chat")
    await shop.arrived(2)
    await page.get_by_role("button", name="Open the chat").click()
    await page.get_by_label("Your question").fill("Where is my kettle?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Where is my kettle?")).to_be_visible()
    async with asyncio.timeout(10):
        while True:
            with closing(sqlite3.connect(shop.data_dir / "events.db")) as connection:
                if tied := connection.execute("SELECT visitor, chat FROM identities").fetchall():
                    break
            await asyncio.sleep(0.05)
    with closing(sqlite3.connect(shop.data_dir / "neurobot.db")) as connection:
        customers = connection.execute("SELECT external_id FROM customers").fetchall()
    assert tied == [(shop.events()[0]["visitor"], customers[0][0])]
