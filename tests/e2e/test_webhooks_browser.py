"""Webhooks in a real browser: made and tried by keyboard alone, received by a real listener."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.browser


async def test_a_webhook_is_made_and_tested_by_keyboard_alone(tmp_path, launch, watch) -> None:
    got: list[bytes] = []

    async def receive(reader, writer) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    receiver = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = receiver.sockets[0].getsockname()[1]
    server = await launch(tmp_path / "data", NEUROBOT_WEBHOOKS__PRIVATE_NETWORKS="127.0.0.0/8")
    page = await (await watch(locale="en-GB")).page(server.url)
    await page.goto(await server.printed(r"(https?://\S+/sign-in/link/\S+)"))
    await page.get_by_role("button").last.click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    await page.goto(f"{server.url}/admin/system/webhooks/new")
    await page.get_by_label("Name").focus()
    await page.keyboard.type("Stock")
    await page.keyboard.press("Tab")
    await page.keyboard.type(f"http://127.0.0.1:{port}/")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Secret of “Stock”")).to_be_visible()
    await page.get_by_role("button", name="Send a test").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("well")).to_be_visible()
    assert b"X-Neurobot-Signature: t=" in got[0]
    await page.close()
    receiver.close()
    await receiver.wait_closed()
    assert await server.stop() == 0
