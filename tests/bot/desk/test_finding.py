"""An article that was not suggested: found by hand, sent, and learnt from like a suggestion."""

from __future__ import annotations

import shutil
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from playwright.async_api import expect

from bot.store.records import ArticleRow
from tests.bot.desk.test_browser import TEXT, open_desk, replies

__all__ = ["open_desk"]
INVOICE = "Invoices lie under Billing, one file a month."
REFUND = "A refund takes five working days."
needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium")


@pytest.fixture
async def known(desk: Any) -> dict[str, int]:
    """Ids of two articles that nobody suggested, by text."""
    rows = [
        ArticleRow(INVOICE, title="Invoices", category="billing", language="en"),
        ArticleRow(REFUND, title="Refunds", category="billing", language="en"),
    ]
    diff = await desk.services.store.knowledge.import_articles(rows)
    await desk.services.serving.apply_articles(diff.changed_ids)
    return {item.text: item.id for item in await desk.services.store.knowledge.all_items()}


async def found(desk: Any, words: str) -> list[str]:
    text = await desk.ann.get(f"/desk/articles?{urlencode({'q': words})}")
    return [item["text"] for item in msgspec.json.decode(text)["items"]]


@pytest.mark.parametrize("words", ["invoices", "invoise", "invo", "Billing file"])
async def test_an_article_is_found_by_words_typos_and_beginnings(
    desk: Any, known: dict[str, int], words: str
) -> None:
    del known
    assert (await found(desk, words))[0] == INVOICE


async def test_nothing_is_found_by_nothing(desk: Any, known: dict[str, int]) -> None:
    del known
    assert await found(desk, "  ") == []
    await desk.ann.get(f"/desk/articles?{urlencode({'q': 'x' * 401})}", 400)


async def send(desk: Any, text: str, answer: int) -> Any:
    body = {"text": text, "key": "k" * 16, "question": desk.question_id, "answer": answer}
    return await desk.ann.post(f"{desk.talk}/reply", body)


@pytest.mark.parametrize(
    ("text", "verdict"), [(REFUND, "accepted"), (f"Hello! {REFUND}", "edited")]
)
async def test_what_was_found_teaches_and_an_undo_takes_it_back(
    desk: Any, known: dict[str, int], text: str, verdict: str
) -> None:
    store = desk.services.store
    shown = await store.ledger.count()
    sent = await send(desk, text, known[REFUND])
    rows = {one.answer_id: one for one in await store.feedback.of_message(desk.question_id)}
    assert (rows[known[REFUND]].verdict, rows[known[REFUND]].rank) == (verdict, 0)
    assert {one.verdict for key, one in rows.items() if key != known[REFUND]} == {"ignored"}
    (taught,) = await store.feedback.training_rows()
    assert taught.answer_id == known[REFUND]
    message = await store.conversations.message(sent["message_id"])
    assert message.answer_id == known[REFUND]
    await desk.ann.post(f"{desk.talk}/undo", {"message_id": sent["message_id"]})
    assert await store.feedback.training_rows() == []
    assert await store.ledger.count() == shown


async def test_an_own_answer_after_all_teaches_nothing_of_it(
    desk: Any, known: dict[str, int]
) -> None:
    own = "Please call me at noon on the number below and have the order at hand; " * 4
    await send(desk, own, known[REFUND])
    assert await desk.services.store.feedback.training_rows() == []


async def test_a_removed_article_teaches_nothing(desk: Any, known: dict[str, int]) -> None:
    await desk.services.store.knowledge.remove(known[REFUND])
    await send(desk, REFUND, known[REFUND])
    assert await desk.services.store.feedback.training_rows() == []


@pytest.mark.browser
@needs_browser
async def test_by_keyboard_from_the_question_to_the_answer(
    desk: Any, known: dict[str, int], open_desk: Any
) -> None:
    page = await open_desk(desk.ann, f"/desk?view=all&c={desk.public_id}", locale="ru-RU")
    await page.keyboard.press("KeyF")
    await page.keyboard.type("zzzz qqqq")
    await expect(page.locator("[data-find-state]")).not_to_be_empty()
    await page.keyboard.press("Control+KeyA")
    await page.keyboard.type("refun")
    options = page.locator('#find [role="option"]')
    await expect(options.first).to_contain_text(REFUND)
    await page.keyboard.press("Enter")
    await expect(page.locator(TEXT)).to_have_value(REFUND)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(TEXT)).to_have_value("")
    assert await replies(desk) == [REFUND]
    (taught,) = await desk.services.store.feedback.training_rows()
    assert taught.answer_id == known[REFUND]
