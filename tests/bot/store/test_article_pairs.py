"""Two articles made one, and two again; pairs that a person said are none."""

from __future__ import annotations

import pytest

from bot.errors import BadRequest, Conflict, NotFound
from bot.store.article_pairs import ArticlePairs, FoundPair


@pytest.fixture
def pairs(store, clock) -> ArticlePairs:
    return ArticlePairs(store.db, clock)


@pytest.fixture
async def two(store):
    return [
        await store.knowledge.save(text="Open Billing.", questions=["pay?", "card?"], title="Pay"),
        await store.knowledge.save(text="Go to Billing.", questions=["card?", "money?"]),
    ]


async def test_a_merge_keeps_the_questions_of_both_and_is_undone(store, pairs, two) -> None:
    keep, drop = two
    revision = await store.knowledge.revision()
    merged = await pairs.merge(keep.id, drop.id, "olga")
    assert (merged.text, merged.questions) == ("Open Billing.", ("pay?", "card?", "money?"))
    assert (await store.knowledge.article(drop.id)).removed_at is not None
    assert await store.knowledge.revision() > revision
    assert [v.action for v in await store.knowledge.history(keep.id)] == ["merged", "created"]
    assert (await store.knowledge.history(drop.id))[0].actor == "olga"
    again = await pairs.undo_merge(keep.id, drop.id)
    assert again.questions == ("pay?", "card?")
    restored = await store.knowledge.article(drop.id)
    assert (restored.removed_at, restored.questions) == (None, ("card?", "money?"))
    assert (await store.db.read(lambda c: c.execute("SELECT 1").fetchone()))[0] == 1


async def test_what_was_changed_since_is_not_undone(store, pairs, two) -> None:
    keep, drop = two
    with pytest.raises(Conflict):
        await pairs.undo_merge(keep.id, drop.id)
    await pairs.merge(keep.id, drop.id)
    await store.knowledge.save(article_id=keep.id, text="Newer", questions=["pay?"])
    with pytest.raises(Conflict):
        await pairs.undo_merge(keep.id, drop.id)
    assert (await store.knowledge.article(keep.id)).text == "Newer"


async def test_bad_merges_are_refused(store, pairs, two) -> None:
    keep, drop = two
    with pytest.raises(BadRequest):
        await pairs.merge(keep.id, keep.id)
    with pytest.raises(NotFound):
        await pairs.merge(keep.id, 99)
    await store.knowledge.remove(drop.id)
    with pytest.raises(Conflict):
        await pairs.merge(keep.id, drop.id)


async def test_pairs_are_listed_until_they_are_settled(store, pairs, two) -> None:
    keep, drop = two
    third = await store.knowledge.save(text="Something else", questions=["money?"])
    assert await pairs.seen_revision() == -1
    await pairs.replace(
        [
            FoundPair(keep.id, drop.id, "duplicate", 0.8),
            FoundPair(drop.id, third.id, "conflict", 0.0, "money?"),
        ],
        3,
    )
    assert await pairs.seen_revision() == 3
    assert (await pairs.pairs()).total == 2
    (conflict,) = (await pairs.pairs("conflict")).items
    assert (conflict.first.id, conflict.question) == (drop.id, "money?")
    await pairs.keep_apart(third.id, drop.id, "olga")
    await pairs.keep_apart(drop.id, third.id, "olga")
    assert (await pairs.pairs()).total == 1
    await pairs.merge(keep.id, drop.id)
    assert (await pairs.pairs()).total == 0
    with pytest.raises(NotFound):
        await pairs.keep_apart(keep.id, 99, "olga")
