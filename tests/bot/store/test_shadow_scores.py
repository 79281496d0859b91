"""Scores of a model in the shadow are kept as long as they can tell something."""

from __future__ import annotations

import pytest

from bot.store.records import ShadowScore


@pytest.fixture
async def score(store, clock, inbound):
    """``await score(version)`` keeps a score for a new message and gives the message's id."""

    async def keep(version: str = "v2") -> int:
        message = inbound("Where is it?", customer=f"c{clock.advance(1.0)}")
        (receipt,) = await store.conversations.receive([message])
        row = ShadowScore(receipt.message_id, version, "v1", (1,), 0.5, (2,), 0.6, 1.0)
        await store.shadow.save(row)
        return receipt.message_id

    return keep


async def kept(store, version: str = "v2") -> list[int]:
    return [row.message_id for row in await store.shadow.scores(version, "v1")]


async def test_scores_of_ninety_days_are_kept(store, clock, score):
    await score()
    clock.advance(89 * 86_400.0)
    late = await score()
    assert await store.shadow.prune() == 0
    clock.advance(2 * 86_400.0)
    assert await store.shadow.prune() == 1
    assert await kept(store) == [late]


async def test_the_newest_scores_of_all_versions_are_kept(store, score):
    asked = [await score(version) for version in ("v2", "v3", "v2", "v3", "v2")]
    assert await store.shadow.prune(most=3) == 2
    assert await kept(store) == [asked[2], asked[4]]
    assert await kept(store, "v3") == [asked[3]]
    assert await store.shadow.prune(most=3) == 0
