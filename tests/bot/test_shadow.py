"""What the comparison with a shadow model says, and what it does when there is no time."""

from __future__ import annotations

import numpy as np

from bot.bus import Bus
from bot.serving import Serving
from bot.shadow import Shadow, summarise
from bot.store.records import ShadowScore


def _score(number: int, champion: int, shadow: int, accepted: int | None) -> ShadowScore:
    return ShadowScore(
        number, "new", "old", (champion, 9), 0.5, (shadow, 9), 0.6, 1.0, 0.0, "где?", accepted
    )


def _judged(rng: np.random.Generator, old: float, new: float, n: int) -> list[ShadowScore]:
    """Messages whose answer is 1, found by each model with its own probability."""
    first = np.where(rng.random((n, 2)) < (old, new), 1, 2)
    return [_score(number, int(a), int(b), 1) for number, (a, b) in enumerate(first)]


def test_a_report_counts_and_shows_what_differs():
    scores = [_score(1, 1, 1, 1), _score(2, 1, 2, 2), _score(3, 1, 2, None), _score(4, 1, 2, 1)]
    found = summarise("new", "old", scores, dropped=3)
    assert (found.scored, found.judged, found.agreement, found.dropped) == (4, 3, 0.25, 3)
    assert found.champion_hit_at_1 == found.shadow_hit_at_1 == 2 / 3
    assert (found.wins, found.losses, found.verdict) == (1, 1, "few")
    assert [one.message_id for one in found.differing] == [4, 3, 2]
    assert (found.differing[0].champion_id, found.differing[0].shadow_id) == (1, 2)
    assert summarise("new", "old", []).verdict == "few"


def test_equal_models_do_not_win_whoever_looks_when():
    rng = np.random.default_rng(5)
    wins = 0
    for _ in range(200):
        scores = _judged(rng, 0.7, 0.7, 300)
        # The highest evidence is kept, which is the same as looking after every message.
        wins += summarise("new", "old", scores).verdict in ("better", "worse")
    assert wins <= 10


def test_a_better_and_a_worse_model_are_told():
    rng = np.random.default_rng(6)
    found = [summarise("new", "old", _judged(rng, 0.6, 0.8, 300)).verdict for _ in range(20)]
    assert found.count("better") >= 19
    found = [summarise("new", "old", _judged(rng, 0.8, 0.6, 300)).verdict for _ in range(20)]
    assert found.count("worse") >= 19
    assert summarise("new", "old", _judged(rng, 0.7, 0.72, 40)).verdict == "undecided"


async def test_messages_beyond_the_backlog_are_counted(settings, store, clock):
    bus = Bus(backlog=10_000)
    shadow = Shadow(store, Serving(settings, store, clock), bus)
    await store.models.add_bundle("v2", "/models/v2", {})
    await store.shadow.put("v2")
    await shadow.start()
    await shadow.warmed()
    for number in range(400):
        bus.publish("desk", "suggestions.ready", {"message_id": number})
    await shadow.settled()
    await shadow.stop()
    assert summarise("v2", "v1", [], shadow.dropped).dropped >= 400 - 256 - 1


async def test_no_shadow_costs_nothing(settings, store, clock):
    bus = Bus()
    shadow = Shadow(store, Serving(settings, store, clock), bus)
    await shadow.start()
    bus.publish("desk", "suggestions.ready", {"message_id": 1})
    await shadow.settled()
    assert await shadow.report() is None
    assert shadow.dropped == 0
    await shadow.stop()
