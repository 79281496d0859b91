"""The bus loses nothing silently."""

from __future__ import annotations

import asyncio

import pytest

from bot.bus import RESET, Bus


async def _names(subscription, count: int) -> list[str]:
    return [(await asyncio.wait_for(anext(subscription), 1)).name for _ in range(count)]


async def test_slow_reader_is_dropped_with_a_reset() -> None:
    bus = Bus(backlog=3)
    with bus.subscribe({"desk"}) as slow:
        for number in range(5):
            bus.publish("desk", f"event{number}", {})
        assert [event.name async for event in slow] == [RESET]
    assert bus.listeners == 0


async def test_a_gap_in_the_ring_is_a_reset_and_then_goes_on() -> None:
    bus = Bus(capacity=2)
    first = bus.publish("desk", "first", {})
    for _ in range(3):
        bus.publish("desk", "later", {})
    with bus.subscribe({"desk"}, last_id=first.id) as late:
        bus.publish("desk", "live", {})
        assert await _names(late, 2) == [RESET, "live"]


@pytest.mark.parametrize("distance", [-(10**6), 10**6])
async def test_an_id_of_another_process_is_a_reset(distance: int) -> None:
    bus = Bus()
    bus.publish("desk", "first", {})
    with bus.subscribe({"desk"}, last_id=bus.last_id + distance) as stranger:
        assert await _names(stranger, 1) == [RESET]


async def test_replays_what_was_missed_and_nothing_else() -> None:
    bus = Bus()
    seen = bus.publish("desk", "seen", {})
    bus.publish("desk", "missed", {})
    bus.publish("conversation:x", "foreign", {})
    with bus.subscribe({"desk"}, last_id=seen.id) as reader:
        bus.publish("desk", "live", {})
        assert await _names(reader, 2) == ["missed", "live"]


async def test_ids_grow_by_one_and_predicates_choose() -> None:
    bus = Bus()
    with bus.subscribe(lambda event: event.topic.startswith("conversation:")) as reader:
        ids = [bus.publish(f"conversation:{n}", "message", {"n": n}).id for n in range(3)]
        bus.publish("desk", "other", {})
        events = [await asyncio.wait_for(anext(reader), 1) for _ in range(3)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert [event.data["n"] for event in events] == [0, 1, 2]


async def test_up_to_date_reader_gets_no_reset() -> None:
    bus = Bus()
    with bus.subscribe({"desk"}, last_id=bus.last_id) as reader:
        bus.publish("desk", "live", {})
        assert await _names(reader, 1) == ["live"]


async def test_close_ends_waiting_readers() -> None:
    bus = Bus()
    reader = bus.subscribe({"desk"})
    task = asyncio.create_task(_collect(reader))
    await asyncio.sleep(0)
    bus.publish("desk", "last", {})
    bus.close()
    assert await asyncio.wait_for(task, 1) == ["last"]


async def _collect(subscription) -> list[str]:
    return [event.name async for event in subscription]
