import pytest

from bot.domain import Ticket, Verdict, VerdictRecord
from bot.errors import BadRequest, Conflict, NotFound
from bot.store import ArticleRow


@pytest.fixture
async def article(store):
    return await store.knowledge.save(
        title="Оплата",
        text="Откройте «Оплата».",
        category="Billing",
        language="ru",
        questions=["Как платить?"],
    )


async def test_what_cannot_be_saved(store, article, clock):
    with pytest.raises(BadRequest):
        await store.knowledge.save(text="  ")
    with pytest.raises(NotFound):
        await store.knowledge.save(article_id=99, text="x")
    with pytest.raises(Conflict, match=str(article.id)):
        await store.knowledge.save(text="  Откройте   «Оплата».\n")
    with pytest.raises(Conflict):
        await store.knowledge.save(
            article_id=article.id, text="x", expected_updated_at=article.updated_at - 1
        )
    for missing in (store.knowledge.article, store.knowledge.remove, store.knowledge.restore):
        with pytest.raises(NotFound):
            await missing(99)
    assert await store.knowledge.revision() == 1


async def test_each_change_grows_the_revision_and_the_history(store, article, clock):
    knowledge = store.knowledge
    fields = {
        "title": "Оплата",
        "category": "Billing",
        "language": "ru",
        "questions": ["Как платить?"],
    }
    same = await knowledge.save(article_id=article.id, text=article.text, **fields)
    assert (same, await knowledge.revision()) == (article, 1)
    clock.advance(10)
    changed = await knowledge.save(
        article_id=article.id,
        text="Новый текст",
        expected_updated_at=article.updated_at,
        actor="anna",
        **fields,
    )
    removed = await knowledge.remove(article.id)
    assert await knowledge.all_items() == []
    restored = await knowledge.restore(article.id)
    assert await knowledge.restore(article.id) == restored
    assert await knowledge.revision() == 4
    versions = await knowledge.history(article.id)
    assert [version.action for version in versions] == ["restored", "removed", "changed", "created"]
    assert (versions[2].actor, versions[3].text) == ("anna", "Откройте «Оплата».")
    assert (changed.text, removed.removed_at, restored.removed_at) == ("Новый текст", clock(), None)
    assert versions[0].questions == ("Как платить?",)


async def test_change_is_seen_even_when_the_clock_goes_back(store, article, clock):
    clock.advance(-3600)
    changed = await store.knowledge.save(article_id=article.id, text="Другой")
    assert changed.updated_at > article.updated_at


async def test_filters(store, article):
    other = await store.knowledge.save(
        text="Open Payments", category="Plans", language="en", questions=["pay?", "", "pay?"]
    )
    gone = await store.knowledge.save(text="Old", category="Plans", language="en")
    await store.knowledge.remove(gone.id)

    async def ids(**filters):
        return [item.id for item in (await store.knowledge.articles(**filters)).items]

    assert other.questions == ("pay?",)
    assert await ids() == [other.id, article.id]
    assert await ids(query="платить") == [article.id]
    assert await ids(query='"открой') == [article.id]
    assert await ids(query="???") == []
    assert await ids(category="Plans", language="en") == [other.id]
    assert await ids(state="removed") == [gone.id]
    assert len(await ids(state="all")) == 3
    assert await ids(per_page=1, page=2) == [article.id]
    assert [item.id for item in await store.knowledge.some([gone.id, article.id])] == [
        article.id,
        gone.id,
    ]
    categories = {category.name: category for category in await store.knowledge.categories()}
    assert {name: category.articles for name, category in categories.items()} == {
        "Billing": 1,
        "Plans": 1,
    }
    assert not categories["Billing"].auto_reply


async def test_automatic_reply_is_set_per_category(store):
    with pytest.raises(BadRequest):
        await store.knowledge.set_category("Billing", True, 1.5)
    category = await store.knowledge.set_category("Billing", True, 0.95)
    assert (category.auto_reply, category.auto_threshold) == (True, 0.95)


async def test_twins_are_mutual_and_former_ones_are_freed(store, article):
    knowledge = store.knowledge
    second, third = [await knowledge.save(text=text) for text in ("second", "third")]
    with pytest.raises(BadRequest):
        await knowledge.link_twins(article.id, article.id)
    with pytest.raises(NotFound):
        await knowledge.link_twins(article.id, 99)
    await knowledge.link_twins(article.id, second.id)
    await knowledge.link_twins(article.id, third.id)
    twins = {item.id: item.twin_id for item in await knowledge.all_items()}
    assert twins == {article.id: third.id, second.id: None, third.id: article.id}


async def test_counts_come_from_verdicts(store, article, conversation, agent, clock):
    await store.feedback.record(
        [
            VerdictRecord(
                conversation.message_id, article.id, 1, Verdict.EDITED, agent.id, clock(), 0.5, None
            )
        ]
    )
    counted = await store.knowledge.article(article.id)
    assert (counted.accepted, counted.edited, counted.shown) == (0, 1, 1)
    assert (await store.knowledge.articles(state="unused")).total == 0


ROWS = (
    ArticleRow("Откройте «Оплата».", ("Где платить?",), category="Billing", line=2),
    ArticleRow("Откройте  «Оплата». ", ("Как внести деньги?",), category="Money", line=3),
    ArticleRow(
        "Новый ответ", ("Вопрос?",), title="Новое", category="Plans", language="ru", twin_key="a"
    ),
    ArticleRow("New answer", ("Question?",), language="en", twin_key="a"),
    ArticleRow(" ", ("Пусто?",), line=6),
)


async def test_dry_run_says_what_the_run_does_and_changes_nothing(store, article):
    foreseen = await store.knowledge.import_articles(ROWS, True)
    assert await store.knowledge.all_items() == [article]
    assert await store.knowledge.revision() == 1
    done = await store.knowledge.import_articles(ROWS, False)
    assert done == foreseen
    assert (done.added, done.changed, done.unchanged, done.duplicates) == (2, 1, 0, 1)
    assert foreseen.changed_ids == ()
    assert len(done.changed_ids) == 3


async def test_equal_answers_merge_and_conflicts_are_listed(store, article):
    diff = await store.knowledge.import_articles(ROWS, False)
    merged = await store.knowledge.article(article.id)
    assert merged.questions == ("Как платить?", "Где платить?", "Как внести деньги?")
    assert merged.category == "Billing"
    assert any("line 3" in conflict and "Money" in conflict for conflict in diff.conflicts)
    assert any("line 6" in conflict and "empty" in conflict for conflict in diff.conflicts)
    first, second = [item for item in await store.knowledge.all_items() if item.id != article.id]
    assert (first.twin_id, second.twin_id) == (second.id, first.id)


async def test_import_again_changes_nothing(store, article):
    await store.knowledge.import_articles(ROWS, False)
    revision = await store.knowledge.revision()
    again = await store.knowledge.import_articles(ROWS, False)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    assert await store.knowledge.revision() == revision


async def test_import_leaves_the_bin_alone(store, article):
    await store.knowledge.remove(article.id)
    diff = await store.knowledge.import_articles(ROWS[:1], False)
    assert (diff.added, diff.changed) == (0, 0)
    assert "bin" in diff.conflicts[0]


async def test_tickets_are_known_by_text_and_category(store):
    tickets = [
        Ticket("Не приходит код", "Sign-in", language="ru"),
        Ticket("Where is it", "Orders", answer_id=3),
    ]
    assert await store.knowledge.import_tickets(tickets) == {
        "added": 2,
        "changed": 0,
        "unchanged": 0,
    }
    again = [tickets[0], Ticket("Where is it", "Orders", answer_id=4)]
    assert await store.knowledge.import_tickets(again) == {"added": 0, "changed": 1, "unchanged": 1}
    assert list(await store.knowledge.tickets()) == again


async def test_snippets(store):
    with pytest.raises(BadRequest):
        await store.knowledge.save_canned("", "x")
    with pytest.raises(NotFound):
        await store.knowledge.remove_canned(3)
    saved = await store.knowledge.save_canned("hi", "Здравствуйте!", "ru")
    again = await store.knowledge.save_canned("hi", "Добрый день!", "ru")
    await store.knowledge.save_canned("hi", "Hello!", "en")
    assert again.id == saved.id
    assert [reply.text for reply in await store.knowledge.canned("ru")] == ["Добрый день!"]
    await store.knowledge.remove_canned(saved.id)
    assert [reply.text for reply in await store.knowledge.canned()] == ["Hello!"]


async def test_many_articles_come_and_go_in_one_step(store):
    rows = [
        ArticleRow(f"Answer {number} ", (f"q {number}", f"w {number}"), category="C")
        for number in range(6_000)
    ]
    diff = await store.knowledge.import_articles(rows, False)
    assert (diff.added, len(diff.added_titles), len(diff.changed_ids)) == (6_000, 50, 6_000)
    items = await store.knowledge.all_items()
    assert len(items) == 6_000
    assert items[5_999].questions == ("q 5999", "w 5999")
    assert await store.knowledge.revision() == 1
