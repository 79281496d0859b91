"""How much each article answers, what is stale or unused, and where an article is missing."""

from __future__ import annotations

import pytest

from bot.domain import Author, Inbound, Verdict, VerdictRecord
from bot.errors import NotFound
from bot.store.article_pairs import ArticlePairs, FoundPair
from bot.store.coverage import Coverage, Wish
from bot.store.records import Reply

DAY_S = 86_400.0


@pytest.fixture
def coverage(store, clock) -> Coverage:
    return Coverage(store.db, clock)


async def ask(store, clock, text: str = "?", category: str = ""):
    inbound = Inbound("web", f"m{clock.advance(1)}", f"c{clock()}", text, clock(), language="en")
    (receipt,) = await store.conversations.receive([inbound])

    def name(connection) -> None:
        connection.execute(
            "UPDATE conversations SET category = ? WHERE id = ?",
            (category or None, receipt.conversation_id),
        )

    await store.db.write(name)
    return receipt


async def answer(store, receipt, agent, article=None, verdict=None, text: str = "x"):
    rows = ()
    if verdict is not None:
        rows = (
            VerdictRecord(
                receipt.message_id, article.id, 1, verdict, agent.id,
                1_800_000_500.0, 0.9, None,
            ),
        )  # fmt: skip
    used = article.id if article is not None and verdict is not Verdict.REJECTED else None
    reply = Reply(text, Author.AGENT, agent.id, answer_id=used, verdicts=rows)
    return await store.conversations.reply(receipt.conversation_id, reply)


async def lines(coverage, **wish):
    return [(one.article.title, one.answered) for one in
            (await coverage.articles(Wish(**wish))).items]  # fmt: skip


async def test_articles_show_what_they_answered_in_thirty_days(store, clock, coverage) -> None:
    olga = await store.people.create_agent("olga")
    much = await store.knowledge.save(title="much", text="1")
    await store.knowledge.save(title="none", text="2")
    for _ in range(2):
        await answer(store, await ask(store, clock), olga, much, Verdict.ACCEPTED)
    held = await answer(store, await ask(store, clock), olga, much)
    await store.db.write(
        lambda c: c.execute(
            "UPDATE outbox SET state = 'cancelled' WHERE message_id = ?", (held.id,)
        )
    )
    assert await lines(coverage, sort="-answered") == [("much", 2), ("none", 0)]
    assert await lines(coverage, sort="answered") == [("none", 0), ("much", 2)]
    assert await lines(coverage, sort="-taken") == [("much", 2), ("none", 0)]
    assert await lines(coverage, state="unused") == [("none", 0)]
    clock.advance(31 * DAY_S)
    assert await lines(coverage, sort="-answered", query="") == [("none", 0), ("much", 0)]
    assert await lines(coverage, query="no such word") == []


async def test_stale_is_old_or_mostly_edited_lately(store, clock, coverage) -> None:
    olga = await store.people.create_agent("olga")
    edited = await store.knowledge.save(title="edited", text="1")
    fine = await store.knowledge.save(title="fine", text="2")
    for number in range(4):
        verdict = Verdict.EDITED if number % 2 else Verdict.REJECTED
        await answer(store, await ask(store, clock), olga, edited, verdict)
        await answer(store, await ask(store, clock), olga, fine, Verdict.ACCEPTED)
    assert await lines(coverage, state="stale") == [("edited", 2)]
    clock.advance(700)
    await store.knowledge.save(article_id=edited.id, title="edited", text="better")
    assert await lines(coverage, state="stale") == []
    clock.advance(366 * DAY_S)
    assert len(await lines(coverage, state="stale")) == 2


async def test_facets_count_what_each_filter_leaves(store, clock, coverage) -> None:
    first = await store.knowledge.save(text="1", category="Money")
    second = await store.knowledge.save(text="2", category="Money")
    gone = await store.knowledge.save(text="3")
    await store.knowledge.remove(gone.id)
    await ArticlePairs(store.db, clock).replace(
        [FoundPair(first.id, second.id, "conflict", 0.0, "q")], 1
    )
    facets = await coverage.facets()
    assert facets.categories == {"Money": 2}
    assert facets.states == {
        "live": 2, "stale": 0, "duplicate": 0, "conflict": 2, "unused": 2, "removed": 1,
    }  # fmt: skip
    assert len((await coverage.articles(Wish(state="conflict", category="Money"))).items) == 2
    assert len((await coverage.articles(Wish(state="removed", language="ru"))).items) == 0


async def test_coverage_tells_articles_from_own_words(store, clock, coverage) -> None:
    olga = await store.people.create_agent("olga")
    article = await store.knowledge.save(text="1", category="Money")
    await answer(store, await ask(store, clock, category="Money"), olga, article)
    by_hand = await ask(store, clock, "where is my parcel", category="Parcels")
    await answer(store, by_hand, olga, text="On its way.")
    await answer(store, by_hand, olga, text="And insured.")
    await ask(store, clock, category="Waiting")
    rows = [(r.name, r.articles, r.questions, r.by_article) for r in await coverage.by_category()]
    assert rows == [("Parcels", 0, 1, 0), ("Money", 1, 1, 1)]
    page = await coverage.unanswered()
    assert page.total == 1
    (one,) = page.items
    assert (one.text, one.category, one.agent) == ("where is my parcel", "Parcels", "olga")
    assert (await coverage.unanswered("Money")).total == 0
    draft = await coverage.draft(one.message_id)
    assert draft == {
        "text": "On its way.", "questions": "where is my parcel", "category": "Parcels",
        "language": "en",
    }  # fmt: skip
    with pytest.raises(NotFound):
        await coverage.draft(999)
