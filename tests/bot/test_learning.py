"""Training set and bundle."""

from __future__ import annotations

import pytest

from bot.domain import (
    Author,
    Decision,
    Inbound,
    Suggestions,
    Ticket,
    Verdict,
    VerdictRecord,
)
from bot.learning.bundle import NothingToTrain, new_version, train_bundle
from bot.learning.dataset import CategoryRow, Dataset, QuestionRow, collect
from bot.store import Reply


def test_too_little_data_publishes_nothing(tmp_path):
    data = Dataset((), (), (CategoryRow("одна строка", "одна", "ticket"),))
    with pytest.raises(NothingToTrain, match="10 are needed"):
        train_bundle(
            data, tmp_path, seed=0, threads=1, preset="fast", progress=lambda stage, share: None
        )
    assert list(tmp_path.iterdir()) == []


def test_versions_name_their_time():
    assert new_version(1_795_467_900.0).startswith("20261123-210500-")
    assert new_version(0.0) != new_version(0.0)


def test_broken_training_set_is_refused(tmp_path):
    with pytest.raises(OSError, match="items"):
        Dataset.read(tmp_path)
    Dataset((), (), ()).write(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "category": "b", "origin": "other"}\n')
    with pytest.raises(ValueError, match="origin"):
        Dataset.read(tmp_path)


async def _accepted_question(store, clock, text: str, answer_id: int, verdict: Verdict) -> None:
    inbound = Inbound("web", text, "visitor", text, clock())
    (receipt,) = await store.conversations.receive([inbound])
    agent = await store.people.create_agent(f"a{receipt.message_id}", "A", "agent", "en")
    found = Suggestions((), (), False, "ru", None, 0, True, 0.0)
    await store.conversations.save_suggestions(receipt.message_id, found, Decision.SUGGEST)
    record = VerdictRecord(receipt.message_id, answer_id, 0, verdict, agent.id, clock(), 0.5, None)
    reply = Reply(
        "ответ", Author.AGENT, agent_id=agent.id, answer_id=answer_id,
        message_id=receipt.message_id, verdicts=(record,),
    )  # fmt: skip
    await store.conversations.reply(receipt.conversation_id, reply)


async def test_collect_gathers_articles_tickets_and_verdicts(store, clock, tmp_path):
    save = store.knowledge.save
    first = await save(title="Возврат", text="Верните товар.", category="возврат",
                       questions=("как вернуть", "Возврат"))  # fmt: skip
    loose = await save(title="О нас", text="Мы магазин.")
    gone = await save(title="Старое", text="Было.", category="прочее")
    await store.knowledge.remove(gone.id)
    await store.knowledge.import_tickets(
        [
            Ticket("хочу вернуть деньги", "возврат", answer_id=first.id),
            Ticket("где курьер", "доставка"),
        ]
    )
    await _accepted_question(store, clock, "можно сдать назад?", first.id, Verdict.ACCEPTED)
    await _accepted_question(store, clock, "расскажите о себе", loose.id, Verdict.EDITED)
    await _accepted_question(store, clock, "не то", first.id, Verdict.REJECTED)
    data = await collect(store)
    assert [item.answer_id for item in data.items] == [first.id, loose.id]
    assert data.questions == (
        QuestionRow("хочу вернуть деньги", first.id, "import:import"),
        QuestionRow("можно сдать назад?", first.id, "agent:1"),
        QuestionRow("расскажите о себе", loose.id, "agent:2"),
    )
    assert set(data.rows) == {
        CategoryRow("Возврат", "возврат", "question", "knowledge"),
        CategoryRow("как вернуть", "возврат", "question", "knowledge"),
        CategoryRow("Верните товар.", "возврат", "answer", "knowledge"),
        CategoryRow("хочу вернуть деньги", "возврат", "ticket", "import:import"),
        CategoryRow("где курьер", "доставка", "ticket", "import:import"),
        CategoryRow("можно сдать назад?", "возврат", "ticket", "agent:1"),
    }
    data.write(tmp_path)
    assert Dataset.read(tmp_path) == data
