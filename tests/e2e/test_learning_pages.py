"""Training data, review, questions without an answer and customers: by keyboard and pointer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.domain import (
    Author,
    Decision,
    Inbound,
    Reasons,
    Suggestion,
    Suggestions,
    Ticket,
    Verdict,
    VerdictRecord,
)
from bot.settings import Settings
from bot.store import Reply, Store

pytestmark = pytest.mark.browser
ASKED = {
    "A case protects it from beaks; send us a picture of the damage.": (
        "Does the tablet survive a parrot biting it?",
        "will the tablet survive bites of a parrot",
        "my parrot bites the tablet, does it survive",
    ),
    "Абонемент на год стоит как десять месяцев, его продаёт касса бассейна.": (
        "Сколько стоит годовой абонемент в бассейн?",
        "годовой абонемент в бассейн сколько стоит",
    ),
    "": ("Можно ли оплатить заказ бонусами партнёра?", "оплатить бонусами партнёра заказ можно?"),
}
JUDGED = (
    ("where is my parcel", "Pay", 0),
    ("куда делась моя посылка", "Оплата", 0),
    ("can I pay with two cards at once", "Pay", 40),
)


async def fill(folder: Path) -> None:
    """A small desk with something doubtful and something unanswered."""
    store = Store.open(Settings(data_dir=str(folder)))
    agent = await store.people.create_agent("ann", "Анна Соколова")
    articles = {}
    for category, text, question, language in (
        ("Pay", "Open Billing and choose a card.", "How do I pay?", "en"),
        ("Ship", "Open Orders and press Track.", "Where is my parcel?", "en"),
        ("Оплата", "Откройте «Оплата» и выберите карту.", "Как оплатить заказ?", "ru"),
        ("Доставка", "Откройте «Заказы» и нажмите «Где он?».", "Куда делась моя посылка?", "ru"),
    ):
        articles[category] = await store.knowledge.save(
            text=text, category=category, language=language, questions=[question]
        )
    await store.knowledge.import_tickets(
        [Ticket("refund for a lost parcel", "Ship", origin="june.csv"), Ticket("привет", "")]
    )
    number = 0

    async def ask(text: str, name: str) -> tuple[int, int]:
        nonlocal number
        number += 1
        inbound = Inbound("web", f"m{number}", f"c{number}", text, 1.79e9, customer_name=name)
        [receipt] = await store.conversations.receive([inbound])
        item = Suggestion(1, "Open Billing.", "", "Pay", "en", 0.1, False, Reasons())
        found = Suggestions((), (item,), False, "", None, 1, True, 2.0)
        await store.conversations.save_suggestions(receipt.message_id, found, Decision.HANDOFF)
        return receipt.message_id, receipt.conversation_id

    for text, category, edited in JUDGED:
        message_id, _ = await ask(text, "Мария")
        verdict = Verdict.EDITED if edited else Verdict.ACCEPTED
        record = VerdictRecord(
            message_id, articles[category].id, 1, verdict, agent.id, 1.79e9, 0.4, None, edited
        )
        await store.feedback.record([record])
    for reply, questions in ASKED.items():
        for text in questions:
            _, conversation_id = await ask(text, "Пётр Синицын")
            if reply:
                await store.conversations.reply(
                    conversation_id, Reply(reply, Author.AGENT, agent.id)
                )
    await store.close()


async def sign_in(server, watch, **options):
    """A page of the owner, and its context."""
    watched = await watch(**options)
    page = await watched.page(server.url)
    link = await server.printed(r"(https?://\S+/sign-in/link/\S+)")
    await page.goto(link)
    await expect(page.locator("button:focus")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/sign-in" not in url)
    return page, watched


@pytest.fixture
async def desk(tmp_path, launch):
    await fill(tmp_path / "data")
    server = await launch(tmp_path / "data")
    yield server
    assert await server.stop() == 0, "".join(server.lines)


async def test_rows_are_reviewed_by_keyboard_alone(desk, watch):
    page, _ = await sign_in(desk, watch, locale="en-GB")
    await page.goto(f"{desk.url}/admin/review?reason=conflict")
    assert await page.locator("[data-review]").count() == 2
    await page.locator("[data-choose-all]").focus()
    await page.keyboard.press("KeyA")  # outside of the list it decides nothing
    assert "done=" not in page.url
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('[data-review]') !== null")
    await page.keyboard.press("KeyJ")
    await page.keyboard.press("KeyX")
    assert await page.locator("[data-review] input:checked").count() == 1
    await page.keyboard.press("KeyR")
    await expect(page.locator("[data-review]")).to_have_count(1)
    # A reload says nothing twice, the filter stays.
    await expect(page).to_have_url(f"{desk.url}/admin/review?reason=conflict")
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("[data-review]")).to_have_count(3)
    assert await page.locator(".alert.good").count() == 1


async def test_a_group_is_published_and_a_customer_erased(desk, watch):
    page, _ = await sign_in(desk, watch, locale="ru-RU")
    await page.goto(f"{desk.url}/admin/unanswered")
    assert await page.locator(".cluster").count() == 3
    await page.get_by_role("button", name="Опубликовать").first.click()
    await page.wait_for_selector(".alert.good")
    assert await page.locator(".cluster").count() == 2
    await page.goto(f"{desk.url}/admin/customers?query=Мария")
    await page.locator("tbody a").first.click()
    await page.get_by_role("button", name="Удалить всё о клиенте").click()
    dialog = page.locator("dialog[open]")
    assert "нельзя" in await dialog.inner_text()
    await dialog.get_by_role("button", name="Удалить").click()
    await page.wait_for_selector(".alert.good")
    assert "Мария: удалено всё" in await page.locator(".alert.good").inner_text()
