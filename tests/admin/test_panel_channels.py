"""The Telegram token is tried out, the widget is seen as it will be."""

from __future__ import annotations

import logging
import re

import msgspec
import pytest

from admin.evaluate.fake_telegram import TOKEN, FakeTelegram
from bot.settings import Settings


@pytest.fixture
async def telegram():
    async with FakeTelegram() as server:
        yield server


@pytest.fixture
def panel_settings(panel_settings: Settings, telegram: FakeTelegram) -> Settings:
    section = msgspec.structs.replace(panel_settings.telegram, api_url=telegram.api_url)
    return msgspec.structs.replace(panel_settings, telegram=section)


async def check(owner, token: str) -> str:
    _, page = await owner.post("/admin/channels/telegram/check", status=200, token=token)
    return page


async def test_a_good_token_names_its_bot_and_webhook(owner, telegram, server, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    page = await check(owner, TOKEN)
    assert "@desk_bot" in page
    assert "put the token into the settings" in page
    assert TOKEN not in page
    telegram.webhook = {"url": "https://other.example/hook"}
    assert "https://other.example/hook" in await check(owner, TOKEN)
    assert TOKEN not in caplog.text
    (entry,) = (await server.services.store.people.audit_log(per_page=1)).items
    assert (entry.action, entry.detail) == ("channel.tested", {"result": "desk_bot"})


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "That is no token"),
        ("nonsense", "That is no token"),
        ("1:" + "x" * 5000, "That is no token"),
        (TOKEN[:-3] + "zzz", "does not know this token"),
    ],
)
async def test_a_bad_token_says_what_to_do(owner, token: str, words: str) -> None:
    assert words in await check(owner, token)


async def test_an_unreachable_telegram_is_told_apart(owner, telegram) -> None:
    await telegram.__aexit__(None, None, None)
    assert "cannot be reached" in await check(owner, TOKEN)
    await telegram.__aenter__()


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_the_snippet_and_its_preview_follow_the_choices(owner, lang: str) -> None:
    page = await owner.get("/admin/channels?lang=ru&open=1", lang=lang)
    assert "data-lang=&#34;ru&#34; data-open async" in page
    source = re.search(r'<iframe[^>]*src="([^"]+)"', page)[1].replace("&amp;", "&")
    async with owner.session.get(source) as response:
        text = await response.text()
        assert "frame-ancestors 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert 'data-lang="ru" data-open' in text
    await owner.get("/admin/channels?lang=xx", status=400)


async def test_no_other_page_may_be_framed(owner) -> None:
    async with owner.session.get("/admin/channels") as response:
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
