"""The chat widget on a foreign site: one script tag, nothing lost offline, keyboard alone."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest
from aiohttp import web
from playwright.async_api import expect

pytestmark = pytest.mark.browser
PATIENCE_S = 60.0
STORM = {"full": 500, "short": 40}.get(os.environ.get("TRUST_PROFILE", ""), 6)

SHOP = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"
content="width=device-width, initial-scale=1"><title>A shop</title>
<style>* {{ color: red !important; font-size: 40px }} p {{ display: none }}</style></head>
<body><h1>A shop</h1><script src="{server}/widget.js" async></script></body></html>"""


@pytest.fixture
async def shop(tmp_path, launch):
    """A site of another origin that embeds the widget of a real server."""
    server = None

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=SHOP.format(server=server.url), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server = await launch(tmp_path / "data", NEUROBOT_WIDGET__ALLOWED_ORIGINS=origin)
    yield origin
    assert await server.stop() == 0, "".join(server.lines)
    await runner.cleanup()


@pytest.fixture
async def page(shop, browser):
    context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    opened = await context.new_page()
    await opened.goto(shop)
    yield opened
    await context.close()


async def ask(page, text: str) -> None:
    await page.get_by_label("Your question").fill(text)
    await page.keyboard.press("Enter")


async def test_opens_and_closes_by_keyboard_and_keeps_the_focus(page):
    launcher = page.get_by_role("button", name="Open the chat")
    await launcher.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Your question")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(launcher).to_be_focused()


async def test_fits_a_small_screen_and_ignores_the_styles_of_the_site(page):
    await page.get_by_role("button", name="Open the chat").click()
    await ask(page, "a rather long question " * 12)
    bubble = page.locator(".line.customer p")
    await expect(page.get_by_text("✓ delivered")).to_be_visible()
    assert await bubble.evaluate("node => getComputedStyle(node).fontSize") == "15px"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_what_is_written_offline_is_sent_once_after_a_reload(page, shop):
    await page.get_by_role("button", name="Open the chat").click()
    await ask(page, "first, with a connection")
    await expect(page.get_by_text("✓ delivered")).to_have_count(1)
    await page.context.set_offline(offline=True)
    await ask(page, "second, without one")
    await expect(page.get_by_text("No connection.")).to_be_visible()
    await expect(page.get_by_text("sending")).to_have_count(1)
    await page.context.set_offline(offline=False)
    await page.reload()
    await page.get_by_role("button", name="Open the chat").click()
    await expect(page.get_by_text("✓ delivered")).to_have_count(2, timeout=10_000)
    second = await page.context.new_page()
    await second.goto(shop)
    await second.get_by_role("button", name="Open the chat").click()
    await expect(second.locator(".line.customer p")).to_have_text(
        ["first, with a connection", "second, without one"]
    )


async def test_markup_in_a_message_is_only_text(page):
    await page.get_by_role("button", name="Open the chat").click()
    await ask(page, "<img src=x onerror=document.title='broken'> <b>bold</b>")
    await expect(page.locator(".line.customer p")).to_contain_text("<img src=x")
    assert await page.title() == "A shop"


async def test_a_person_can_be_asked_for_by_one_button(page):
    await page.get_by_role("button", name="Open the chat").click()
    await page.get_by_role("button", name="Talk to a person").click()
    await expect(page.locator(".line.system")).to_be_visible(timeout=10_000)
    await expect(page.get_by_role("button", name="Talk to a person")).to_be_hidden()


async def opened(page, shop: str) -> None:
    """The chat, open on a page of the shop."""
    await page.goto(shop)
    await page.get_by_role("button", name="Open the chat").click()
    await expect(page.get_by_label("Your question")).to_be_visible()


@pytest.mark.timeout(1500)
async def test_each_message_arrives_once_whatever_the_network_does(
    shop, browser, tmp_path, record_property
):
    """The network comes and goes, and two tabs are loaded anew while they send."""
    rng, did = random.Random(int(os.environ.get("TEST_SEED", "9"))), Counter()
    context = await browser.new_context(locale="en-GB")
    tabs = [await context.new_page() for _ in range(2)]
    for tab in tabs:
        await opened(tab, shop)
    for number in range(STORM):
        tab, what = rng.choice(tabs), rng.choice(("calm", "offline", "reload", "cut"))
        did[what] += 1
        await context.set_offline(offline=what == "offline")
        await ask(tab, f"message {number}")
        await asyncio.sleep(rng.uniform(0, 0.03))
        if what == "cut":  # the connection breaks while it is sent
            await context.set_offline(offline=True)
            await asyncio.sleep(0.05)
        await context.set_offline(offline=False)
        if what == "reload":
            await opened(tab, shop)
    for tab in tabs:
        await opened(tab, shop)
    stored: Counter[str] = Counter()
    with closing(sqlite3.connect(tmp_path / "data" / "neurobot.db")) as connection:
        until = time.monotonic() + PATIENCE_S
        while stored.total() < STORM and time.monotonic() < until:
            await asyncio.sleep(0.2)
            found = connection.execute("SELECT text FROM messages WHERE author = 'customer'")
            stored = Counter(row[0] for row in found)
    await context.close()
    assert stored == Counter(f"message {number}" for number in range(STORM))
    told = ", ".join(f"{count} {kind}" for kind, count in did.items())
    record_property("figure", f"{STORM} messages ({told}): 0 lost, 0 twice")
