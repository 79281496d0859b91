"""Events are stored once, acknowledged after the commit, and told to whoever listens."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from bot.errors import StorageUnavailable, TooManyRequests
from bot.event import Event
from bot.live.intake import Intake

DAY_S = 86_400.0


@pytest.fixture
async def intake(settings, clock):
    async with Intake.alone(settings, clock) as opened:
        yield opened


def event(clock, number, **fields):
    return Event(**{"id": f"e{number}", "at": clock() - 1, "name": "page_view", **fields})


async def test_observers_hear_of_new_events_alone_and_after_the_commit(intake, clock):
    heard = []

    def listen(events):
        heard.extend(event.id for event in events)

    intake.observers.append(listen)
    first = event(clock, 1, visitor="v")
    assert await intake.put([first]) == 1
    assert await intake.put([first, event(clock, 2), event(clock, 2)]) == 1
    assert heard == ["e1", "e2"]


async def test_an_observer_that_fails_stops_neither_the_events_nor_the_others(intake, clock):
    heard = []

    def broken(events):
        raise ValueError("no")

    intake.observers += [broken, heard.extend]
    assert await intake.put([event(clock, 1)]) == 1
    assert len(heard) == 1


async def test_a_repeat_is_known_after_a_restart_and_with_another_time(settings, clock):
    async with Intake.alone(settings, clock) as intake:
        await intake.put([event(clock, 1)])
    clock.advance(60)
    async with Intake.alone(settings, clock) as intake:
        assert await intake.put([event(clock, 1)]) == 0


async def test_an_old_repeat_is_known_by_its_time(intake, clock):
    first = event(clock, 1)
    await intake.put([first])
    intake._recent.clear()  # as after a hundred thousand others
    assert await intake.put([first, event(clock, 2)]) == 1


async def test_who_is_who_is_told_by_a_later_event_and_survives(settings, clock):
    async with Intake.alone(settings, clock) as intake:
        await intake.put([event(clock, 1, visitor="v")])
        assert intake.identity("v") == ("", "")
        await intake.put([event(clock, 2, visitor="v", customer="c")])
        await intake.put([event(clock, 3, customer="c", company="k")])
        assert intake.identity("v") == ("c", "k")
    async with Intake.alone(settings, clock) as intake:
        assert intake.identity("v") == ("c", "k")
        await intake.put([
            event(clock, 4, visitor="v", customer="d"),
            event(clock, 5, visitor="v", customer="e", company="l"),
        ])  # fmt: skip
        assert intake.identity("v") == ("e", "l")


async def test_the_web_chat_knows_the_visitor_until_the_site_does(intake, clock):
    await intake.put([event(clock, 1, visitor="v")])
    await intake.tie_chat("chat-name", "v")
    assert intake.identity("v") == ("chat-name", "")
    await intake.put([event(clock, 2, visitor="v", customer="c")])
    assert intake.identity("v") == ("c", "")
    by_chat = await intake.events.history("chat-name")
    assert [one.id for one in by_chat.events] == ["e2", "e1"]


async def test_too_many_waiting_are_refused_whole(settings, clock):
    small = msgspec.structs.replace(settings.events, max_waiting=3)
    async with Intake.alone(msgspec.structs.replace(settings, events=small), clock) as intake:
        first = asyncio.create_task(intake.put([event(clock, n) for n in range(3)]))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await intake.put([event(clock, 9)])
        assert await first == 3
        assert await intake.put([event(clock, 9)]) == 1
        assert intake.health()["refused"] == 1


async def test_a_full_disk_refuses_and_the_same_event_is_taken_later(intake, clock):
    pages = await intake.events.db.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])

    def limit(number):
        return lambda c: c.execute(f"PRAGMA max_page_count={number}").fetchall()

    await intake.events.db.write(limit(pages + 1))
    many = [event(clock, number, title="long " * 90) for number in range(200)]
    with pytest.raises(StorageUnavailable, match="Nothing was stored"):
        await intake.put(many)
    await intake.events.db.write(limit(1_000_000))
    assert await intake.put(many) == 200


async def test_old_events_go_and_with_an_export_only_those_it_holds(settings, clock, tmp_path):
    kept = msgspec.structs.replace(settings.events, keep_days=2, export_dir=str(tmp_path))
    async with Intake.alone(msgspec.structs.replace(settings, events=kept), clock) as intake:
        old = [event(clock, n, at=clock() - 5 * DAY_S + n) for n in range(3)]
        await intake.put([*old, event(clock, 9)])
        assert await intake._retention.sweep() == 0
        manifest = {"last_seq": 2, "whole_before": clock() - 4 * DAY_S, "days": {}}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        assert await intake._retention.sweep() == 2
        (tmp_path / "manifest.json").write_text("{damaged")
        assert await intake._retention.sweep() == 0
    plain = msgspec.structs.replace(settings.events, keep_days=2)
    async with Intake.alone(msgspec.structs.replace(settings, events=plain), clock) as intake:
        await intake._retention.sweep()
        assert await intake.events.recent_ids(10) == ["e9"]
