"""An accepted answer helps the next customer with the same question, before any training."""

from __future__ import annotations

from typing import Any

from bot.domain import Inbound
from bot.store.records import ArticleRow

QUESTION = "a little wheel spins instead of the page"


async def ask(desk: Any, name: str) -> Any:
    """A customer's question through the pipeline, with what was suggested for it."""
    services = desk.services
    inbound = Inbound("rest", name, name, QUESTION, services.clock(), language="en")
    receipt = await services.pipeline.receive(inbound)
    await services.pipeline.settled()
    found, _ = await services.store.conversations.suggestions(receipt.message_id)
    return receipt, found


async def test_accepted_answer_is_found_by_its_new_question(desk: Any) -> None:
    services = desk.services
    rows = [
        ArticleRow("Clear the browser's cache.", ("The page does not load",), language="en"),
        ArticleRow("Pay by card on the Plan page.", ("How do I pay",), language="en"),
    ]
    diff = await services.store.knowledge.import_articles(rows)
    await services.serving.apply_articles(diff.changed_ids)
    items = {item.text: item.id for item in await services.store.knowledge.all_items()}
    answer_id = items["Clear the browser's cache."]

    receipt, before = await ask(desk, "first")
    assert all(item.reasons.matched_question != QUESTION for item in before.items)
    sent = await desk.ann.post(
        f"/desk/conversations/{receipt.conversation_public_id}/reply",
        {
            "text": "Clear the browser's cache.",
            "key": "key-00001",
            "question": receipt.message_id,
            "answer": answer_id,
        },
    )
    _, after = await ask(desk, "second")
    best = after.items[0]
    assert (best.answer_id, best.reasons.matched_question) == (answer_id, QUESTION)
    assert best.confidence > before.items[0].confidence
    await desk.ann.post(
        f"/desk/conversations/{receipt.conversation_public_id}/undo",
        {"message_id": sent["message_id"]},
    )
    _, undone = await ask(desk, "third")
    assert all(item.reasons.matched_question != QUESTION for item in undone.items)
