import pytest

from bot.errors import BadRequest, NotFound


async def test_canaries_are_kept_replaced_and_forgotten(store, clock):
    article = await store.knowledge.save(text="Вернём деньги.", questions=["как вернуть"])
    first = await store.canaries.add(" как вернуть деньги ", answer_id=article.id, actor="boss")
    assert (first.question, first.answer_id, first.actor) == (
        "как вернуть деньги",
        article.id,
        "boss",
    )
    second = await store.canaries.add("как вернуть деньги", category="возврат")
    assert second.id == first.id
    assert (second.answer_id, second.category) == (None, "возврат")
    await store.canaries.add("где посылка", category="доставка")
    assert [one.question for one in await store.canaries.all()] == [
        "как вернуть деньги",
        "где посылка",
    ]
    await store.canaries.remove(first.id)
    with pytest.raises(NotFound):
        await store.canaries.remove(first.id)


async def test_a_canary_needs_something_to_keep(store):
    for question, more in (("", {"category": "a"}), ("вопрос", {}), ("  ", {"answer_id": 1})):
        with pytest.raises(BadRequest):
            await store.canaries.add(question, **more)
    with pytest.raises(NotFound, match="article 7"):
        await store.canaries.add("вопрос", answer_id=7)
    assert await store.canaries.all() == []
