"""The server's time of day goes on evenly until it is told to follow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bot.clock import SteadyClock, _move
from bot.domain import Author, Inbound
from bot.errors import StorageUnavailable
from bot.store import Reply, Store


class Hands:
    """A clock that a test turns."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_it_goes_on_evenly_and_follows_when_told() -> None:
    wall, elapsed = Hands(1_800_000_000.0), Hands(50.0)
    clock = SteadyClock(wall, elapsed)
    assert clock() == wall()
    wall.now += 10
    elapsed.now += 10
    assert clock() == wall()
    assert clock.ahead_s() == 0
    wall.now -= 3600  # somebody set it back
    elapsed.now += 1
    wall.now += 1
    assert clock() == 1_800_000_011.0
    assert clock.ahead_s() == -3600
    clock.follow(clock.ahead_s())
    assert clock() == wall()


def test_it_begins_with_the_machines_time() -> None:
    clock = SteadyClock()
    assert clock.ahead_s() == pytest.approx(0, abs=0.5)


@pytest.fixture
async def desk(settings):
    """A clock that can be turned, and a store by it with a reply that may leave at once."""
    wall, elapsed = Hands(1_800_000_000.0), Hands(50.0)
    clock = SteadyClock(wall, elapsed)
    store = Store.open(settings, clock)
    [receipt] = await store.conversations.receive([Inbound("memory", "m", "c", "hello", 1.0)])
    await store.conversations.reply(receipt.conversation_id, Reply("yes", Author.AGENT))
    yield clock, store
    await store.close()


async def test_a_reply_written_while_the_clock_is_set_back_is_not_held_up(desk) -> None:
    """Its time was read before what waits was moved, and it was written after."""
    clock, store = desk

    async def moved_before(seconds: float) -> None:
        assert clock() < 1_800_000_000, "a session would seem to be over meanwhile"

    services = SimpleNamespace(store=store)
    store.shift_waits, shift = moved_before, store.shift_waits
    await _move(clock, services, -86_400.0)
    assert len(await store.outbox.due(clock())) == 1
    store.shift_waits = shift
    await _move(clock, services, 86_400.0)
    assert len(await store.outbox.due(clock())) == 1


async def test_a_clock_that_cannot_be_followed_goes_on_as_it_was(desk) -> None:
    clock, store = desk
    before = clock()

    async def full(seconds: float) -> None:
        raise StorageUnavailable

    store.shift_waits = full
    for seconds in (-86_400.0, 86_400.0):
        with pytest.raises(StorageUnavailable):
            await _move(clock, SimpleNamespace(store=store), seconds)
        assert clock() == before
