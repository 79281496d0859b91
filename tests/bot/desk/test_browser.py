"""The desk in a real browser: an answer in two keys, and nothing lost when things go wrong."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect
from yarl import URL

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

ANSWER = "Open Settings and press Seats."
TEXT = 'textarea[name="text"] >> nth=0'


@pytest.fixture
async def open_desk(desk: Any) -> AsyncIterator[Any]:
    """Gives a page of the desk for a person; fails on script errors and on foreign requests."""
    troubles: list[str] = []

    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )

        async def opened(person: Any, path: str = "/desk?view=all", **options: Any) -> Page:
            context = await browser.new_context(**options)
            cookies = person.http.cookie_jar.filter_cookies(URL(desk.url))
            for name in ("neurobot", "lang"):
                await context.add_cookies(
                    [{"name": name, "value": cookies[name].value, "url": desk.url}]
                )
            page = await context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on(
                "request",
                lambda request: (
                    None if request.url.startswith(desk.url) else troubles.append(request.url)
                ),
            )
            await page.goto(desk.url + path)
            await expect(page.locator('[data-live="live"]')).to_be_visible()
            return page

        yield opened
        await browser.close()
    assert not troubles


async def replies(desk: Any) -> list[str]:
    found = await desk.services.store.conversations.messages(desk.conversation_id)
    return [m.text for m in found if m.author == "agent" and m.delivery != "cancelled"]


async def test_answer_in_two_keys_and_back_again(desk: Any, open_desk: Any) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}", locale="ru-RU")
    await page.keyboard.press("Digit1")
    await expect(page.locator(TEXT)).to_have_value(ANSWER)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(TEXT)).to_have_value("")
    assert await replies(desk) == [ANSWER]
    await page.keyboard.press("Control+KeyZ")
    await expect(page.locator(TEXT)).to_have_value(ANSWER)
    assert await replies(desk) == []


async def test_keys_work_in_a_russian_layout_and_rest_while_typing(
    desk: Any, open_desk: Any
) -> None:
    page = await open_desk(desk.ann)
    devtools = await page.context.new_cdp_session(page)
    for kind in ("keyDown", "keyUp"):  # the key J as a Russian keyboard sends it
        await devtools.send(
            "Input.dispatchKeyEvent", {"type": kind, "code": "KeyJ", "key": "о", "text": "о"}
        )
    await expect(page.locator(".talk-title h2")).to_have_text("Tom <b>")
    await page.keyboard.press("KeyR")
    await page.keyboard.type("axe? njz 12")
    await expect(page.locator(TEXT)).to_have_value("axe? njz 12")
    await expect(page.locator("dialog[open]")).to_have_count(0)


async def test_tab_in_an_empty_reply_takes_the_first(desk: Any, open_desk: Any) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}")
    await page.keyboard.press("KeyR")
    await page.keyboard.press("Tab")
    await expect(page.locator(TEXT)).to_have_value(ANSWER)
    await page.keyboard.press("Tab")  # a full one is left as usual
    await expect(page.locator(TEXT)).not_to_be_focused()


async def test_answer_of_a_colleague_keeps_the_draft(desk: Any, open_desk: Any) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}")
    await page.keyboard.press("KeyR")
    await page.keyboard.type("My answer")
    sent = {"text": "Bob was faster", "key": "b" * 16, "seen": desk.question_id}
    await desk.bob.post(f"{desk.talk}/reply", sent)
    await expect(page.get_by_text("Bob was faster").first).to_be_visible()
    await expect(page.locator(TEXT)).to_be_focused()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-composer-alert]")).to_contain_text("Bob answered")
    await expect(page.locator(TEXT)).to_have_value("My answer")
    await page.locator("[data-composer-alert] button").click()
    await expect(page.locator(TEXT)).to_have_value("")
    assert await replies(desk) == ["Bob was faster", "My answer"]


async def test_offline_keeps_the_text_and_sends_it_once(desk: Any, open_desk: Any) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}")
    await page.keyboard.press("KeyR")
    await page.keyboard.type("Written on a train")
    await page.context.set_offline(True)
    await expect(page.locator('[data-live="offline"]')).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-composer-alert]")).to_be_visible()
    await expect(page.locator(TEXT)).to_have_value("Written on a train")
    await page.context.set_offline(False)
    await expect(page.locator('[data-live="live"]')).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(TEXT)).to_have_value("")
    assert await replies(desk) == ["Written on a train"]


async def test_news_moves_neither_focus_nor_scroll_nor_draft(desk: Any, open_desk: Any) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}")
    await page.keyboard.press("KeyR")
    await page.keyboard.type("half a thou")
    for number in range(6):
        await desk.ask(f"question {number}")
        inbound = {"conversation_id": desk.conversation_id}
        desk.services.bus.publish("desk", "message.new", inbound)
    await expect(page.locator(".message", has_text="question 5")).to_be_visible()
    await expect(page.locator(TEXT)).to_be_focused()
    await expect(page.locator(TEXT)).to_have_value("half a thou")
    await asyncio.sleep(0.5)
    await page.reload()
    await expect(page.locator(TEXT)).to_have_value("half a thou")


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_three_screens_on_a_phone(desk: Any, open_desk: Any, language: str) -> None:
    desk.ann.http.cookie_jar.update_cookies({"lang": language})
    page = await open_desk(desk.ann, viewport={"width": 360, "height": 740})
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await page.evaluate(fits)
    await page.locator(".row").first.click()
    await expect(page.locator(TEXT)).to_be_visible()
    await expect(page.locator(".row").first).to_be_hidden()
    assert await page.evaluate(fits)
    await page.locator("[data-show-card]").click()
    await expect(page.locator(".about")).to_be_visible()
    await page.locator("[data-hide-card]").click()
    await page.go_back()
    await expect(page.locator(".row").first).to_be_visible()
