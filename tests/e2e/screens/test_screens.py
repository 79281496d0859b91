"""Every screen, filled, filtered and empty: fits, is accessible, and says nothing in the console.

Each page is seen once, in one of the eight combinations of language, theme and width; `make trust`
looks at each twice, so that both of all are seen, and `make trust-full` at all eight. The pictures
go to ``build/screens`` for somebody to look at.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import os
import re
import shutil
from pathlib import Path

import pytest

from admin import panel

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[3]
SCREENS = ROOT / "build" / "screens"
AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOK = """tags => axe.run(document, {runOnly: tags, iframes: false, preload: false}).then(
    result => result.violations.map(
        one => one.id + ": " + one.nodes.slice(0, 3).map(node => node.target.join(" ")).join(" | ")
    ))"""
# The new theme and size have been drawn, and no colour is still on its way.
PAINTED = """async theme => {
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const reached = matchMedia(`(prefers-color-scheme: ${theme})`);
    while (!reached.matches) await frame();
    await frame();
    await frame();
    const moving = document.getAnimations().filter(one => one instanceof CSSTransition);
    await Promise.allSettled(moving.map(one => one.finished));
}"""
LOCALES = {"ru": "ru-RU", "en": "en-GB"}
THEMES, WIDTHS = ("light", "dark"), (360, 1280)
PROFILE = os.environ.get("TRUST_PROFILE", "")
FILLED = {
    "desk-talk": "/desk?view=all&c={conversation}",
    "desk": "/desk?view=all",
    "desk-flagged": "/desk?view=flagged",
    "account": "/account",
    "overview": "/admin/overview",
    "knowledge": "/admin/knowledge?sort=-answered",
    "knowledge-filtered": "/admin/knowledge?query=zzzz",
    "article": "/admin/knowledge/{article}",
    "article-new": "/admin/knowledge/new",
    "import": "/admin/knowledge/import",
    "categories": "/admin/knowledge/categories",
    "coverage": "/admin/knowledge/coverage",
    "duplicates": "/admin/knowledge/duplicates",
    "training-set": "/admin/training-set",
    "review": "/admin/review",
    "review-filtered": "/admin/review?reason=cap",
    "review-refused": "/admin/review?state=refused",
    "unanswered": "/admin/unanswered",
    "unanswered-filtered": "/admin/unanswered?draft=without",
    "unanswered-draft": "{draft}",
    "models": "/admin/models",
    "model": "/admin/models/{champion}",
    "training": "/admin/training",
    "automatic": "/admin/automatic?promise=80",
    "automatic-unreachable": "/admin/automatic?promise=99",
    "customers": "/admin/customers",
    "customers-filtered": "/admin/customers?query=nobody",
    "customer": "{person}",
    "customer-searched": "{person}?look=1",
    "churn": "/admin/insights/churn",
    "churn-filtered": "/admin/insights/churn?query=zzzz",
    "churn-table": "/admin/insights/churn/table",
    "value": "/admin/insights/value",
    "content": "/admin/content?customer=c7",
    "content-nobody": "/admin/content?customer=nobody",
    "channels": "/admin/channels?open=1",
    "people": "/admin/people",
    "sessions": "/admin/people/sessions",
    "tokens": "/admin/people/tokens",
    "reports": "/admin/reports?by=agent",
    "reports-filtered": "/admin/reports?channel=telegram",
    "system": "/admin/system",
    "audit": "/admin/system/audit",
    "audit-filtered": "/admin/system/audit?text=zzzz",
    "webhooks": "/admin/system/webhooks",
    "webhook-new": "/admin/system/webhooks/new",
    "webhook": "/admin/system/webhooks/1",
    "webhook-edit": "/admin/system/webhooks/1/edit",
    "delivery": "/admin/system/webhooks/1/deliveries/1",
    "not-found": "/no-such-page",
}
EMPTY = {name: FILLED[name].partition("?")[0] for name in (
    "desk", "knowledge", "coverage", "duplicates", "training-set", "review", "unanswered", "models",
    "training", "automatic", "customers", "churn", "value", "content", "reports", "tokens",
    "webhooks", "audit",
)} | {"first-run": "/admin/overview"}  # fmt: skip
PUBLIC = {"sign-in": "/sign-in", "chat": "/chat"}
# Answers that are no pages of their own.
PARTS = re.compile(r"\.csv$|/(job|loss)$|/backups/|/channels/preview$|^/admin$")


def seen(place: int, language: str) -> list[tuple[str, int]]:
    """Themes and widths at which axe looks at a page in a language.

    The two languages always get the opposite of each other, so two looks see all there is.
    """
    if PROFILE == "full":
        return [(theme, width) for theme in THEMES for width in WIDTHS]
    if not PROFILE and language != ("ru", "en")[place // 4 % 2]:
        return []
    theme, width = (place // 2 % 2, place % 2)
    if language == "ru":
        theme, width = 1 - theme, 1 - width
    return [(THEMES[theme], WIDTHS[1 - width])]


class Walk:
    """Goes through pages and collects what is wrong with them."""

    def __init__(self, watch, browser, url: str) -> None:
        self._watch, self._browser, self._url = watch, browser, url
        self._cookies: list[dict] = []
        self.problems: list[str] = []

    async def sign_in(self, link: str) -> None:
        context = await self._browser.new_context()
        page = await context.new_page()
        await page.goto(self._url + link)
        await page.get_by_role("button").last.click()
        await page.wait_for_url(lambda address: "/sign-in" not in address)
        self._cookies = await context.cookies()
        await context.close()

    async def found(self, path: str, selector: str) -> str:
        """Where the first link of a page leads."""
        context = await self._browser.new_context()
        await context.add_cookies(self._cookies)
        page = await context.new_page()
        await page.goto(self._url + path)
        href = await page.locator(selector).first.get_attribute("href")
        await context.close()
        assert href
        return href

    async def visit(self, pages: dict[str, str], kind: str = "") -> None:
        """All pages in both languages at once."""
        await asyncio.gather(*(self._visit(pages, kind, language) for language in LOCALES))

    async def _visit(self, pages: dict[str, str], kind: str, language: str) -> None:
        watched = await self._watch(locale=LOCALES[language], reduced_motion="reduce")
        cookie = {"name": "lang", "value": language, "url": self._url}
        await watched.context.add_cookies([*self._cookies, cookie])
        page = await watched.page(self._url)
        for place, (name, path) in enumerate(pages.items()):
            looks = seen(place, language)
            if not looks:
                continue
            await page.goto(self._url + path, wait_until="load")
            assert await page.locator("html").get_attribute("lang") == language
            # Wide last: the next page is laid out anew anyway.
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 800})
                where = f"{kind}{name} {language} {width}"
                for theme in THEMES:
                    if (theme, width) in looks:
                        await page.emulate_media(color_scheme=theme)
                        await page.evaluate(PAINTED, theme)
                        await self._examine(page, f"{where} {theme}")
                        folder = SCREENS / f"{language}-{theme}-{width}"
                        folder.mkdir(parents=True, exist_ok=True)
                        picture = folder / f"{kind}{name}.png"
                        await page.screenshot(path=picture, full_page=not name.startswith("desk"))
                await self._fits(page, where)
            if name == "not-found":
                watched.problems[:] = [one for one in watched.problems if "404" not in one]
        await page.close()

    async def _examine(self, page, where: str) -> None:
        await page.evaluate(AXE + ";void 0")  # through the debugger: the content policy stays on
        found = await page.evaluate(LOOK, TAGS)
        self.problems += [f"{where}: {one}" for one in found]

    async def _fits(self, page, where: str) -> None:
        sideways = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if sideways > 0:
            self.problems.append(f"{where}: {sideways} px too wide")


@pytest.mark.timeout(900 if PROFILE else 300)
async def test_filled_screens_fit_and_are_accessible(office, browser, watch) -> None:
    walk = Walk(watch, browser, office.url)
    await walk.visit(PUBLIC)
    await walk.sign_in(office.link)
    await walk.visit({"training-live": "/admin/training"})
    office.end_training()
    places = {
        "article": office.article, "champion": office.champion, "conversation": office.conversation,
        "person": await walk.found("/admin/customers", "tbody a"),
        "draft": await walk.found("/admin/unanswered", ".cluster a.button"),
    }  # fmt: skip
    await walk.visit({name: path.format(**places) for name, path in FILLED.items()})
    assert not walk.problems, "\n".join(walk.problems)
    if target := os.environ.get("TEST_PICTURE"):  # the one in the README
        shutil.copy(SCREENS / "en-light-1280" / "desk-talk.png", target)


@pytest.mark.timeout(400 if PROFILE else 200)
async def test_empty_screens_name_a_next_step(server, browser, watch) -> None:
    link = await server.printed(r"https?://[^\s/]+(/sign-in/link/\S+)")
    walk = Walk(watch, browser, server.url)
    await walk.sign_in(link)
    await walk.visit(EMPTY, "empty-")
    assert not walk.problems, "\n".join(walk.problems)


def test_every_page_of_the_panel_is_walked() -> None:
    shown = [path.partition("?")[0].format(
        article=1, champion="v", conversation="c", person="/admin/customers/x",
        draft="/admin/unanswered/1",
    ) for path in FILLED.values()]  # fmt: skip
    for route in panel.routes():
        if route.method == "GET" and not PARTS.search(route.path):
            pattern = re.sub(r"\{\w+(:[^}]+)?\}", "[^/]+", route.path)
            assert any(re.fullmatch(pattern, path) for path in shown), route.path


def test_each_look_is_had_by_pages_in_turn() -> None:
    looks = [(lang, *look) for place in range(8) for lang in LOCALES for look in seen(place, lang)]
    assert len(set(looks)) == 8
