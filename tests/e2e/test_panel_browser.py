"""Pages of the panel, filled and empty: accessible, in both languages and themes, at any size.

The pictures go to ``build/screens/panel`` for somebody to look at.
"""

from __future__ import annotations

import asyncio
import importlib.resources
import time
from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.domain import Author, Inbound, Role, Verdict, VerdictRecord
from bot.handover import Action
from bot.settings import Settings
from bot.store import Store
from bot.store.records import Reply

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "build" / "screens" / "panel"
AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
# The new theme and size have been drawn.
_PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DAY_S = 86_400.0
PAGES = {
    "knowledge": "/admin/knowledge?sort=-answered",
    "knowledge-filtered": "/admin/knowledge?query=zzzz",
    "article": "/admin/knowledge/1",
    "coverage": "/admin/knowledge/coverage",
    "duplicates": "/admin/knowledge/duplicates",
    "reports": "/admin/reports?by=agent",
    "reports-filtered": "/admin/reports?channel=telegram",
    "people": "/admin/people",
    "sessions": "/admin/people/sessions",
    "tokens": "/admin/people/tokens",
    "system": "/admin/system",
    "audit": "/admin/system/audit",
    "audit-filtered": "/admin/system/audit?text=zzzz",
    "webhooks": "/admin/system/webhooks",
    "webhook-new": "/admin/system/webhooks/new",
    "webhook": "/admin/system/webhooks/1",
    "delivery": "/admin/system/webhooks/1/deliveries/1",
    "channels": "/admin/channels?open=1",
}
EMPTY = {name: PAGES[name].partition("?")[0] for name in (
    "knowledge", "coverage", "duplicates", "reports", "tokens", "webhooks", "audit",
)}  # fmt: skip


async def seed(folder: Path) -> str:
    """A month of a small desk; the token of the owner's sign-in link."""
    settings = Settings(data_dir=str(folder), company="Ромашка")
    now = [time.time() - 20 * DAY_S]
    store = Store.open(settings, lambda: now[0])
    owner = await store.people.create_agent("olga", "Ольга Петрова", Role.OWNER, "ru")
    masha = await store.people.create_agent("masha", "Маша", Role.AGENT, "ru")
    articles = [
        await store.knowledge.save(title=title, text=text, category=category, language=language,
                                   questions=questions, actor="olga")
        for title, text, category, language, questions in ARTICLES
    ]  # fmt: skip
    await store.knowledge.save(
        article_id=articles[0].id, title=articles[0].title, category="Оплата", language="ru",
        text=articles[0].text.replace("Настройки", "Профиль"), questions=articles[0].questions,
        actor="olga",
    )  # fmt: skip
    await store.webhooks.create("CRM", "https://127.0.0.1:1/never", ["message.created"])
    for number in range(36):
        now[0] += DAY_S / 2
        await _talk(store, number, masha.id, articles[number % 3].id, now[0])
    await store.db.write(lambda connection: [connection.execute(sql) for sql in FAILED])
    await store.webhooks.pause(1, active=False)
    now[0] = time.time()
    await store.people.create_token("Склад", ["suggest", "conversations:read"])
    await store.people.create_session(masha.id, address="192.0.2.7", device="Firefox, Windows")
    await store.people.audit("olga", "webhook.created", "https://crm.example/hook", {"events": 3})
    token = await store.people.one_time_link(owner.id)
    await store.close()
    return token


FAILED = (
    """UPDATE webhook_deliveries SET state = 'dead', attempts = 10, status = 500, error = 'status',
        finished_at = created_at WHERE id <= 6""",
    """INSERT INTO webhook_attempts (delivery_id, at, status, error, elapsed_ms, response)
        SELECT id, created_at + 2, 500, 'status', 41, '<h1>Internal error</h1>'
        FROM webhook_deliveries WHERE state = 'dead'""",
)
ARTICLES = (
    ("Оплата картой", "Откройте Настройки, затем Оплата, и добавьте карту. Код придёт в сообщении.",
     "Оплата", "ru", ["Как оплатить картой?", "Где добавить карту?"]),
    ("Карта для оплаты", "Откройте Профиль, затем Оплата, и добавьте карту. Код придёт сообщением.",
     "Оплата", "ru", ["Как привязать карту?"]),
    ("Возврат", "Вернуть можно за 14 дней, если сохранился чек.", "Возврат и обмен", "ru",
     ["Можно ли вернуть?"]),
    ("Возврат распродажи", "Товары распродажи не возвращаются.", "Возврат и обмен", "ru",
     ["Можно ли вернуть?"]),
    ("Delivery times", "Parcels take two to five days; the tracking number comes by e-mail.",
     "Delivery", "en", ["How long does delivery take?"]),
)  # fmt: skip


async def _talk(store: Store, number: int, agent: int, article: int, now: float) -> None:
    text = ("Как оплатить картой?", "How long does delivery take?", "Где мой заказ?")[number % 3]
    inbound = Inbound("web", f"m{number}", f"c{number}", text, now - 400, language="ru")
    (receipt,) = await store.conversations.receive([inbound])
    if number % 4 == 0:
        reply = Reply("Готово.", Author.BOT, answer_id=article, message_id=receipt.message_id)
        await store.conversations.reply(receipt.conversation_id, reply)
        return
    await store.conversations.act(receipt.conversation_id, Action.PERSON_WANTED)
    verdict = (Verdict.ACCEPTED, Verdict.EDITED, Verdict.REJECTED)[number % 3]
    row = VerdictRecord(
        receipt.message_id, article, 1 + number % 2, verdict, agent, now, 0.8, None, number
    )
    used = None if verdict is Verdict.REJECTED else article
    reply = Reply("Сейчас посмотрю и отвечу.", Author.AGENT, agent, answer_id=used,
                  message_id=receipt.message_id, verdicts=(row,))  # fmt: skip
    await store.conversations.reply(receipt.conversation_id, reply)


async def sign_in(browser, url: str, token: str) -> list[dict]:
    """Cookies of the owner."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(f"{url}/sign-in/link/{token}")
    await page.get_by_role("button").last.click()
    await page.wait_for_url(lambda address: "/sign-in" not in address)
    cookies = await context.cookies()
    await context.close()
    return cookies


async def examine(page, where: str, problems: list[str]) -> None:
    """What axe finds, and whether the page is wider than its window."""
    await page.evaluate(AXE + ";void 0")
    found = await page.evaluate(
        "tags => axe.run(document, {runOnly: tags, iframes: false}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join(' | ')))",
        _TAGS,
    )
    problems += [f"{where}: {one}" for one in found]
    sideways = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if sideways > 0:
        problems.append(f"{where}: {sideways} px too wide")


async def walk(watch, url: str, cookies, pages: dict[str, str], kind: str) -> list[str]:
    """Problems of all pages in two languages, two themes and two sizes."""
    problems: list[str] = []
    for language in ("ru", "en"):
        watched = await watch(locale={"ru": "ru-RU", "en": "en-GB"}[language],
                              reduced_motion="reduce")  # fmt: skip
        await watched.context.add_cookies(
            [*cookies, {"name": "lang", "value": language, "url": url}]
        )
        page = await watched.page(url)
        for name, path in pages.items():
            await page.goto(url + path, wait_until="load")
            assert await page.locator("html").get_attribute("lang") == language
            for theme in ("light", "dark"):
                for width in (360, 1280):
                    await page.emulate_media(color_scheme=theme)
                    await page.set_viewport_size({"width": width, "height": 800})
                    await page.evaluate(_PAINTED)
                    where = f"{kind} {name} {language} {theme} {width}"
                    await examine(page, where, problems)
                    folder = SCREENS / f"{language}-{theme}-{width}"
                    folder.mkdir(parents=True, exist_ok=True)
                    await page.screenshot(path=folder / f"{kind}-{name}.png", full_page=True)
    return problems


@pytest.mark.timeout(400)
async def test_filled_pages_are_accessible_at_any_size(tmp_path, launch, browser, watch) -> None:
    token = await seed(tmp_path / "data")
    server = await launch(tmp_path / "data")
    cookies = await sign_in(browser, server.url, token)
    problems = await walk(watch, server.url, cookies, PAGES, "filled")
    assert await server.stop() == 0
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(200)
async def test_empty_pages_are_accessible_and_name_a_next_step(server, browser, watch) -> None:
    link = await server.printed(r"(https?://\S+/sign-in/link/\S+)")
    token = link.partition("/sign-in/link/")[2].partition("?")[0]
    cookies = await sign_in(browser, server.url, token)
    problems = await walk(watch, server.url, cookies, EMPTY, "empty")
    assert not problems, "\n".join(problems)


@pytest.mark.timeout(120)
async def test_a_webhook_is_made_and_tested_by_keyboard_alone(
    tmp_path, launch, browser, watch
) -> None:
    token = await seed(tmp_path / "data")
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
    cookies = await sign_in(browser, server.url, token)
    watched = await watch()
    await watched.context.add_cookies(
        [*cookies, {"name": "lang", "value": "en", "url": server.url}]
    )
    page = await watched.page(server.url)
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
    receiver.close()
    await receiver.wait_closed()
    assert await server.stop() == 0
