import pytest

from bot.domain import Author, Verdict, VerdictRecord
from bot.errors import NotFound
from bot.store import Reply


@pytest.fixture
def verdict(conversation, agent, clock):
    def build(kind, answer_id=1, message_id=None):
        key = message_id or conversation.message_id
        return VerdictRecord(key, answer_id, 1, kind, agent.id, clock(), 0.7, "v1", 3, "why")

    return build


async def test_verdict_on_no_message_is_refused(store, verdict):
    with pytest.raises(NotFound):
        await store.feedback.record([verdict(Verdict.ACCEPTED, message_id=999)])


async def test_one_verdict_per_message_and_answer_the_last_one(store, conversation, verdict):
    for kind in (Verdict.REJECTED, Verdict.ACCEPTED, Verdict.EDITED, Verdict.EDITED):
        await store.feedback.record([verdict(kind), verdict(Verdict.IGNORED, answer_id=2)])
    counts = await store.feedback.of_article(1)
    assert (counts.edited, counts.shown) == (1, 1)
    assert (await store.feedback.of_article(2)).ignored == 1
    assert await store.feedback.of_message(conversation.message_id) == [
        verdict(Verdict.EDITED),
        verdict(Verdict.IGNORED, answer_id=2),
    ]


async def test_retried_reply_counts_once_and_undo_removes_it(store, conversation, agent, verdict):
    reply = Reply(
        "Ответ",
        Author.AGENT,
        agent.id,
        idempotency_key="k",
        hold_s=5,
        verdicts=(verdict(Verdict.ACCEPTED), verdict(Verdict.IGNORED, answer_id=2)),
    )
    for _ in range(3):
        message = await store.conversations.reply(conversation.conversation_id, reply)
    assert (await store.feedback.of_article(1)).shown == 1
    await store.conversations.undo(message.id, agent.id)
    assert list(await store.feedback.export()) == []


async def test_training_rows_are_what_agents_answered_with(
    store, conversation, agent, verdict, inbound
):
    article = await store.knowledge.save(
        text="Откройте «Оплата».", category="Billing", language="ru"
    )
    removed = await store.knowledge.save(text="Старое", category="Billing")
    await store.knowledge.remove(removed.id)
    await store.conversations.reply(
        conversation.conversation_id,
        Reply(
            "Откройте раздел «Оплата».",
            Author.AGENT,
            agent.id,
            answer_id=article.id,
            verdicts=(
                verdict(Verdict.EDITED, article.id),
                verdict(Verdict.ACCEPTED, removed.id),
                verdict(Verdict.REJECTED, 77),
            ),
        ),
    )
    [row] = await store.feedback.training_rows()
    assert (row.question, row.answer_id, row.verdict) == (
        "Как оплатить заказ?",
        article.id,
        "edited",
    )
    assert (row.reply_text, row.category) == ("Откройте раздел «Оплата».", "Billing")
    exported = list(await store.feedback.export())
    assert len(exported) == 3
    assert exported[0]["question"] == "Как оплатить заказ?"
