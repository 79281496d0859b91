"""Events of files: read with a reason for each bad line, written as Parquet by day."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from admin.batch.event_export import export
from admin.cli import run
from admin.importers.events import read_events
from bot.errors import BadData, NotFound
from bot.event import Event
from bot.store.events import Events, Tie

NOW = 1_800_000_000.0
DAY_S = 86_400.0
MIDNIGHT = NOW // DAY_S * DAY_S


def lines(path):
    return {problem.line: problem.text for problem in read_events(path, NOW).problems}


def test_a_table_of_events(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text(
        "Name;At;id;visitor;customer;counters;colour\n"
        "page_view;2026-11-01T10:00:00Z;a;v1;;;red\n"
        'bought;1750000000.5;b;v1;c1;"{""items"": 2, ""sum"": null}";red\n'
    )
    first, second = read_events(path, NOW).rows
    assert (first.id, first.at, first.visitor) == ("a", 1793527200.0, "v1")
    assert (second.name, second.counters, second.customer) == ("bought", {"items": 2}, "c1")


def test_every_bad_line_has_its_reason(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text(
        "name,at,counters,url\n"
        ",1,,\n"
        "x,,,\n"
        "x,yesterday,,\n"
        "x,1800000000000,,\n"
        "x,nan,,\n"
        'x,1,"{",\n'
        'x,1,"[1]",\n'
        'x,1,"{""n"": ""many""}",\n'
        f"x,1,,{'u' * 2001}\n"
        "x,1\n"
        "good,1,,\n"
    )
    found = lines(path)
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "'name' is empty" in found[2]
    assert "'at' is empty" in found[3]
    assert "'at' is no time" in found[4]
    assert "more than a day ahead" in found[5]
    assert "counters" in found[7]
    assert "$.counters" in found[8]
    assert "$.url" in found[10]
    parsed = read_events(path, NOW)
    with pytest.raises(BadData, match="line 4"):
        parsed.accepted(partial=False)
    assert [event.name for event in parsed.accepted(partial=True)] == ["good"]


def test_json_lines(tmp_path):
    path = tmp_path / "visits.jsonl"
    path.write_text(
        '{"name":"x","at":1,"id":"a"}\n\n{"name":"x"\n5\n{"name":"x","at":1,"nmae":2}\n'
    )
    assert sorted(lines(path)) == [3, 4, 5]
    assert "nmae" in lines(path)[5]


def test_no_events_at_all(tmp_path):
    with pytest.raises(BadData, match="no file"):
        read_events(tmp_path / "absent.csv", NOW)
    path = tmp_path / "visits.csv"
    path.write_text("name,colour\nx,red\n")
    with pytest.raises(BadData, match="lacks the column 'at'"):
        read_events(path, NOW)
    broken = tmp_path / "visits.parquet"
    broken.write_bytes(b"PAR1 no parquet")
    with pytest.raises(BadData, match="cannot be read as Parquet"):
        read_events(broken, NOW)


def test_rows_without_an_id_are_the_same_the_second_time(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text("name,at\nx,1\nx,1\n")
    first, second = read_events(path, NOW).rows
    assert first.id != second.id
    assert [event.id for event in read_events(path, NOW).rows] == [first.id, second.id]


def test_import_and_export_by_command(tmp_path, capsys):
    data, lake = str(tmp_path / "data"), tmp_path / "lake"
    path = tmp_path / "visits.csv"
    path.write_text("name,at,id\nx,2026-01-02T00:00:01Z,a\nx,2026-01-03,b\nx,never,c\n")

    def command(*arguments):
        code = run(["--data-dir", data, *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out or "null")

    assert command("import", "events", str(path)) == (65, None)
    assert command("import", "events", str(path), "--partial", "--dry-run")[1]["new"] == 0
    assert command("import", "events", str(path), "--partial")[1]["new"] == 2
    code, again = command("import", "events", str(path), "--partial")
    assert (code, again["rows"], again["new"]) == (0, 2, 0)
    assert again["bad_lines"][0]["line"] == 4
    assert command("export", "events", str(lake))[1]["written"] == 2
    assert command("export", "events", str(lake))[1] == {
        "written": 0, "unchanged": 2, "removed": 0, "events": 0,
    }  # fmt: skip
    part = lake / "day=2026-01-02" / "part-0.parquet"
    assert command("import", "events", str(part))[1]["new"] == 0


@pytest.fixture
async def events(settings, clock):
    opened = Events.open(settings, clock)
    yield opened
    await opened.close()


def event(number, day, **fields):
    return Event(id=f"e{number}", at=MIDNIGHT + day * DAY_S + number, name="x", **fields)


def read(folder, day):
    place = folder / f"day={day}"
    parts = [pq.read_table(part).to_pylist() for part in sorted(place.glob("*.parquet"))]
    return [row for part in parts for row in part]


async def test_who_is_known_later_is_known_in_days_before(events, settings, tmp_path):
    await events.append([
        event(1, -2, visitor="v", counters={"n": 2}), event(2, -1, visitor="w"),
        event(3, -1, visitor="v", customer="other"),
    ])  # fmt: skip
    export(settings.events_path, tmp_path, NOW)
    first = read(tmp_path, "2027-01-13")[0]
    assert (first["customer"], json.loads(first["counters"]), first["item"]) == ("", {"n": 2}, "")
    await events.append((), [Tie("v", "c", "k")])
    counts = export(settings.events_path, tmp_path, NOW)
    assert counts["written"] == 2
    assert read(tmp_path, "2027-01-13")[0]["customer"] == "c"
    known = [(row["customer"], row["company"]) for row in read(tmp_path, "2027-01-14")]
    assert known == [("", ""), ("other", "")]
    assert export(settings.events_path, tmp_path, NOW)["written"] == 0


async def test_days_whose_events_were_removed_stay_and_get_late_ones(events, settings, tmp_path):
    await events.append([event(1, -3), event(2, -3), event(3, -1)])
    export(settings.events_path, tmp_path, NOW)
    assert await events.sweep(MIDNIGHT - 2 * DAY_S, 100) == 2
    assert export(settings.events_path, tmp_path, NOW)["removed"] == 0
    await events.append([event(4, -3)])
    assert export(settings.events_path, tmp_path, NOW)["written"] == 1
    assert [row["id"] for row in read(tmp_path, "2027-01-12")] == ["e1", "e2", "e4"]


async def test_an_erased_person_is_gone_after_the_next_export(events, settings, tmp_path):
    await events.append([event(1, -2, customer="c"), event(2, -1, customer="c"), event(3, -1)])
    export(settings.events_path, tmp_path, NOW)
    await events.erase("c")
    counts = export(settings.events_path, tmp_path, NOW)
    assert (counts["written"], counts["removed"]) == (1, 1)
    assert [row["id"] for row in read(tmp_path, "2027-01-14")] == ["e3"]
    assert read(tmp_path, "2027-01-13") == []


async def test_a_damaged_manifest_and_no_events_are_said(settings, events, tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(BadData, match="manifest"):
        export(settings.events_path, tmp_path, NOW)
    with pytest.raises(NotFound, match="no events"):
        export(tmp_path / "absent.db", tmp_path / "other", NOW)
