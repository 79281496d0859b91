"""What an agent has begun to write is there again: after a reload, a crash, offline, elsewhere."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect
from yarl import URL

CHROMIUM = shutil.which("chromium")
CYCLES = {"short": 20, "full": 100}.get(os.environ.get("TRUST_PROFILE", ""), 2)
TEXT = 'textarea[name="text"] >> nth=0'
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
    pytest.mark.timeout(400),
]


class Writer:
    """An agent at the browser of one device."""

    def __init__(self, desk: Any, context: BrowserContext) -> None:
        self.desk, self.context = desk, context
        self.agent_id = desk.ann.agent.id
        self.page: Page | None = None

    async def look(self) -> Page:
        """The conversation in a new tab."""
        self.page = await self.context.new_page()
        await self.page.goto(f"{self.desk.url}/desk?view=all&c={self.desk.public_id}")
        await expect(self.page.locator('[data-live="live"]')).to_be_visible()
        return self.page

    async def write(self, words: str) -> Page:
        page = self.page or await self.look()
        await page.locator(TEXT).press("Control+End")
        await page.keyboard.type(words)
        return page

    async def saved(self, text: str) -> None:
        """The server has it, soon after the writer paused."""
        conversations = self.desk.services.store.conversations
        async with asyncio.timeout(10):
            while await conversations.load_draft(self.desk.conversation_id, self.agent_id) != text:
                await asyncio.sleep(0.02)

    async def reload(self) -> None:
        assert self.page is not None
        await self.page.reload()

    async def crash(self) -> None:
        """The tab is gone without a word."""
        assert self.page is not None
        session = await self.context.new_cdp_session(self.page)
        await session.send("Page.navigate", {"url": "about:blank"})
        await self.page.close()
        await self.look()

    async def crash_offline(self) -> None:
        await self.context.set_offline(True)
        await self.write(" offline")
        assert self.page is not None
        await self.page.close()
        await self.context.set_offline(False)
        await self.look()

    async def has(self, text: str) -> None:
        assert self.page is not None
        await expect(self.page.locator(TEXT)).to_have_value(text)


async def test_a_draft_survives_whatever_happens_to_the_page(desk: Any, record_property) -> None:
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        devices = []
        for _ in range(2):
            context = await browser.new_context()
            cookies = desk.ann.http.cookie_jar.filter_cookies(URL(desk.url))
            await context.add_cookies(
                [
                    {"name": name, "value": cookies[name].value, "url": desk.url}
                    for name in ("neurobot", "lang")
                ]
            )
            devices.append(Writer(desk, context))
        one, other = devices
        text = ""
        for cycle in range(CYCLES):
            words = f"word{cycle} "
            await one.write(words)
            text += words
            kind = cycle % 4
            if kind == 0:
                await one.reload()
            elif kind == 1:
                await one.crash()
            elif kind == 2:
                await one.crash_offline()
                text += " offline"
            else:
                await one.saved(text)
                await other.look()
                await other.has(text)
                await other.page.close()
            await one.has(text)
        await browser.close()
    record_property("figure", f"{CYCLES} reloads, crashes and changes of device, 0 letters lost")
