"""Every screen in both languages and themes, small and large: nothing overflows, nothing complains.

The pictures go to ``build/screens`` for somebody to look at.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "build" / "screens"
PAGES = (
    "/desk?view=all",
    "/account",
    "/admin",
    "/admin/knowledge",
    "/admin/knowledge?query=nothing-of-this-kind",
    "/admin/knowledge/new",
    "/admin/knowledge/1",
    "/admin/knowledge/import",
    "/admin/knowledge/categories",
    "/admin/models",
    "/admin/channels",
    "/admin/people",
    "/admin/reports",
    "/admin/system",
    "/sign-in",
    "/chat",
    "/no-such-page",
)
QUESTIONS = (
    ("Anna", "hi, which documents do I need to take card payments"),
    ("Пётр", "не пришло письмо для подтверждения почты, жду уже час"),
    ("Maria", "the confirmation e-mail did not come"),
    ("", "how do I turn on the second step at sign-in?"),
    ("Олег", "Хочу сменить пароль, где это?"),
)


async def write(url: str, name: str, text: str) -> str:
    """A customer asks; the conversation's public id."""
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/chat/visitors", json={}) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        body = {"id": str(uuid4()), "text": text, "name": name}
        async with session.post("/chat/messages", json=body, headers=headers) as answer:
            assert answer.status == 201
            return str((await answer.json())["conversation"])


@pytest.fixture
async def desk(tmp_path, launch, trained_data_dir):
    shutil.copytree(trained_data_dir, tmp_path / "data")
    server = await launch(tmp_path / "data")
    yield server
    assert await server.stop() == 0, "".join(server.lines)


def name_of(page: str) -> str:
    return page.strip("/").replace("/", "-").replace("?", "-").replace("=", "-")


@pytest.mark.timeout(400)
async def test_screens_fit_and_stay_silent(desk, browser):
    conversations = [await write(desk.url, name, text) for name, text in QUESTIONS]
    link = await desk.printed(r"(https?://\S+/sign-in/link/\S+)")
    first = await browser.new_context()
    page = await first.new_page()
    await page.goto(link)
    await page.wait_for_function("document.activeElement.matches('button')")
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    cookies = await first.cookies()
    await first.close()

    problems: list[str] = []
    pages = [f"/desk?view=all&c={conversations[0]}", *PAGES]
    for language, theme, (width, height) in (
        (language, theme, size)
        for language in ("ru", "en")
        for theme in ("light", "dark")
        for size in ((360, 740), (1280, 800))
    ):
        where = f"{language}-{theme}-{width}"
        context = await browser.new_context(
            locale={"ru": "ru-RU", "en": "en-GB"}[language],
            color_scheme=theme,
            reduced_motion="reduce",
            viewport={"width": width, "height": height},
        )
        language_cookie = {"name": "language", "value": language, "url": desk.url}
        await context.add_cookies([*cookies, language_cookie])
        page = await context.new_page()
        page.on("pageerror", lambda error, where=where: problems.append(f"{where}: {error}"))
        page.on(
            "console",
            lambda m, where=where: (
                problems.append(f"{where}: {m.text}")
                if m.type == "error" and "status of 404" not in m.text
                else None
            ),
        )
        for path in pages:
            await page.goto(desk.url + path, wait_until="load")
            await page.wait_for_timeout(80)
            sideways = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if sideways > 0:
                problems.append(f"{where} {path}: {sideways} px too wide")
            folder = SCREENS / where
            folder.mkdir(parents=True, exist_ok=True)
            shown = name_of(path if "c=" not in path else "/desk-talk")
            await page.screenshot(path=folder / f"{shown}.png")
        await context.close()
    assert not problems
    if target := os.environ.get("TEST_PICTURE"):  # the one in the README
        shutil.copy(SCREENS / "en-light-1280" / "desk-talk.png", target)
