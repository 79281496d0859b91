"""An admin's whole way in a browser: import, train, compare, promote, roll back; ru and en."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from bot.catalogue import Catalogue

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
# Half a minute each; `make trust` goes the whole way in both.
LANGUAGES = ["ru", "en"] if os.environ.get("TRUST_PROFILE") else ["ru"]
_TRAINED_MS = 120_000


def write_table(path: Path, language: str) -> None:
    """Eight articles of the sample company as the CSV of an import."""
    lines = (ROOT / "admin/demo/company/a_1.jsonl").read_text(encoding="utf-8").splitlines()[:8]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "answer", "category"])
        for article in map(json.loads, lines):
            rows.writerows(
                [question, article["answer"][language], article["category"]]
                for question in article["questions"][language]
            )


class Admin:
    """What the admin does, by the words on the screen."""

    def __init__(self, page: Page, url: str, language: str) -> None:
        self._page = page
        self._url = url
        self._language = language
        self._texts = Catalogue.load()

    def say(self, key: str, **params: object) -> str:
        return self._texts.text(key, self._language, **params)

    async def open(self, path: str) -> None:
        await self._page.goto(self._url + path)

    async def press(self, key: str, *, confirmed: bool = False) -> None:
        await self._page.get_by_role("button", name=self.say(key), exact=True).first.click()
        if confirmed:
            dialog = self._page.get_by_role("dialog")
            await dialog.get_by_role("button", name=self.say(key), exact=True).click()

    async def choose(self, name: str, value: str) -> None:
        await self._page.locator(f"select[name={name}]").select_option(value)

    async def train(self, *, promote: bool) -> None:
        """Press the button and stay on the page until the training has ended."""
        await self.open("/admin/training")
        await self.choose("preset", "fast")
        await self.choose("promote", "1" if promote else "0")
        await self.press("panel.models.train")
        await expect(self._page.get_by_role("progressbar")).to_be_visible()
        await self._page.reload()
        runs = self._page.get_by_role("table", name=self.say("panel.models.runs"))
        done = runs.get_by_text(self.say("panel.models.state.done"), exact=True)
        await expect(self._page.get_by_role("progressbar")).to_have_count(0, timeout=_TRAINED_MS)
        await expect(done).to_have_count(1 if promote else 2)

    async def live(self) -> str:
        """The version in the first column of the comparison."""
        await self.open("/admin/models")
        return await self._page.locator("td.mono a").first.inner_text()

    async def said(self, key: str, **params: object) -> None:
        await expect(self._page.get_by_text(self.say(key, **params))).to_be_visible()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_import_train_compare_promote_roll_back(language, server, watch, tmp_path) -> None:
    table = tmp_path / "kb.csv"
    write_table(table, language)
    watched = await watch(locale={"ru": "ru-RU", "en": "en-GB"}[language])
    page = await watched.page(server.url)
    await page.goto(await server.printed(r"(https?://\S+/sign-in/link/\S+)"))
    await page.get_by_role("button").last.click()
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    admin = Admin(page, server.url, language)

    await admin.open("/admin/models")
    await admin.said("panel.models.empty")
    await admin.open("/admin/knowledge/import")
    await page.locator("input[type=file]").set_input_files(table)
    await admin.press("panel.import.check")
    await admin.press("panel.import.apply")
    await expect(page.get_by_role("status").first).to_be_visible()

    await admin.train(promote=True)
    first = await admin.live()
    await admin.train(promote=False)
    assert await admin.live() == first
    versions = page.locator("td.mono a")
    await expect(versions).to_have_count(2)
    second = await versions.nth(1).inner_text()
    await admin.said("panel.models.passed")

    await admin.press("panel.models.promote", confirmed=True)
    await admin.said("panel.done.promoted", version=second)
    assert await admin.live() == second
    await admin.press("panel.models.rollback", confirmed=True)
    await admin.said("panel.done.rolled-back", version=first)
    assert await admin.live() == first
