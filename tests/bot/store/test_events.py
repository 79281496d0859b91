"""The events' file: whose events are found across runs, what erasure and a backup take along."""

from __future__ import annotations

import pytest

from bot.errors import BadData
from bot.event import Event
from bot.store.backup import events_beside, restore
from bot.store.event_places import RUN
from bot.store.events import Events, Tie


@pytest.fixture
async def events(settings, clock):
    opened = Events.open(settings, clock)
    yield opened
    await opened.close()


def visits(clock, number, visitors=50, start=0):
    return [
        Event(id=f"e{n}", at=clock() + n / 100, name="page_view" if n % 3 else "login",
              visitor=f"v{n % visitors}")
        for n in range(start, start + number)
    ]  # fmt: skip


async def fill(events, rows):
    for first in range(0, len(rows), 2_000):
        await events.append(rows[first : first + 2_000])


async def test_a_customers_events_are_found_in_runs_and_after_them(events, clock):
    rows = visits(clock, RUN + 100)
    await fill(events, rows)
    await events.append((), (Tie("v7", customer="c"),))
    mine = [row for row in rows if row.visitor == "v7"]
    history = await events.history("c", limit=4)
    assert [one.id for one in history.events] == [row.id for row in reversed(mine[-4:])]
    assert history.events[0].customer == "c"
    assert history.total == len(mine) == sum(history.counts.values())
    assert history.counts["login"] == sum(row.name == "login" for row in mine)


async def test_an_event_that_names_another_customer_is_not_the_visitors(events, clock):
    rows = visits(clock, 2, visitors=1)
    shared = Event(id="x", at=clock(), name="login", visitor="v0", customer="other", company="k")
    await events.append([*rows, shared], (Tie("v0", customer="other"), Tie("v0", customer="c")))
    assert (await events.history("c")).total == 2
    assert [one.id for one in (await events.history("other")).events] == ["x"]


async def test_nobody_has_an_empty_history(events):
    history = await events.history("nobody")
    assert (history.events, history.total, history.company) == ((), 0, "")


async def test_erasure_takes_all_out_of_the_file_and_nothing_else(events, settings, clock):
    rows = visits(clock, RUN + 10)
    secret = Event(id="s", at=clock(), name="search", visitor="v7", title="a parrot named Kesha")
    await fill(events, [*rows, secret])
    await events.append((), (Tie("v7", "c-personal-name", "k"),))
    counts = await events.count("c-personal-name")
    assert counts == {"events": 329, "identities": 1, "companies": 1}
    assert await events.erase("c-personal-name") == counts
    left = await events.db.read(lambda c: c.execute("SELECT count(*) FROM events").fetchone()[0])
    assert left == len(rows) + 1 - 329
    for end in ("", "-wal"):
        data = settings.events_path.with_name(settings.events_path.name + end).read_bytes()
        assert b"Kesha" not in data
        assert b"c-personal-name" not in data
    assert await events.count("c-personal-name") == {}


async def test_numbers_go_on_after_everything_was_removed(events, settings, clock):
    await events.append(visits(clock, 10))
    assert await events.sweep(clock() + 1e6, 100) == 10
    await events.close()
    again = Events.open(settings, clock)
    assert len(await again.append(visits(clock, 5, start=50))) == 5
    await again.close()


async def test_backup_and_restore_keep_the_events(events, store, settings, tmp_path, clock):
    await events.append(visits(clock, 20))
    target = tmp_path / "copy.db"
    report = await events.backup(events_beside(target))
    assert report.counts["events"] == 20
    await store.backup(target)
    await events.append(visits(clock, 20, start=100))
    await events.close()
    await store.close()
    restore(target, settings)
    again = Events.open(settings, clock)
    assert len(await again.recent_ids(100)) == 20
    await again.close()


async def test_a_damaged_copy_of_the_events_is_not_restored(events, store, settings, tmp_path):
    target = tmp_path / "copy.db"
    await store.backup(target)
    events_beside(target).write_bytes(b"no database " * 500)
    await events.close()
    await store.close()
    with pytest.raises(BadData):
        restore(target, settings)


async def test_a_lost_transaction_leaves_no_gap_among_the_runs(events, clock):
    rows = visits(clock, 2 * RUN)
    await fill(events, rows[: RUN - 10])

    def fails(connection):
        events._append(connection, visits(clock, 20, start=9 * RUN), ())
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await events.db.write(fails)
    await fill(events, rows[RUN - 10 :])
    await events.append((), (Tie("v7", customer="c"),))
    assert (await events.history("c")).total == sum(row.visitor == "v7" for row in rows)
