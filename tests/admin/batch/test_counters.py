"""The counters of companies and customers, by hand, in any order, on any runner."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from admin.batch import engine, kernels
from admin.batch.counters import Plan, count, happened, last_at, members, read_events
from admin.batch.targets import Question, answered, asked
from bot.errors import SettingsInvalid

ROOT = Path(__file__).resolve().parents[3]
NOW = 20_000 * 86_400.0
PLAN = Plan(NOW, (7,), most_counters=2)


@pytest.fixture(scope="module")
def daft():
    return engine.start()


def _rows(table):
    return {row.pop("key"): row for row in table.to_pylist()}


def test_counters_of_a_window_and_their_change(daft, partitioned):
    folder = partitioned([
        (1, "login", "ivan", "acme", {"items": 2, "sum": 0.1}), (1.2, "login", "olga", "acme", {}),
        (3, "tool.a", "ivan", "acme", {"items": 1}), (8, "login", "ivan", "acme", {"items": 6}),
        (9, "login", "ivan", "acme", ""), (9, "tool.b", "ivan", "acme", {}),
        (2, "login", "solo", "", {"sum": 1}), (2, "login", "", "", {"items": 50}),
        (-1, "login", "solo", "", {"items": 50}), (300, "login", "gone", "", {}),
    ])  # fmt: skip
    found = _rows(count(daft, read_events(daft, folder), PLAN))
    assert list(found) == ["company:acme", "customer:solo"]
    acme = found["company:acme"]
    assert (acme["events.7d"], acme["logins.7d"], acme["tools.7d"]) == (3, 2, 2)
    assert acme["days_active.7d"] == 2
    assert acme["sum.items.7d"] == 3
    assert acme["sum.sum.7d"] == 0.1
    assert acme["events.7d.change"] == 0
    assert acme["tools.7d.change"] == 0
    assert acme["sum.items.7d.change"] == -0.5
    assert acme["sum.sum.7d.change"] == 1
    assert (acme["idle_days"], acme["known_days"]) == (1, 9)
    solo = found["customer:solo"]
    assert (solo["events.7d"], solo["events.7d.change"]) == (1, 1)


def test_the_desk_counts_under_the_company(daft, partitioned):
    folder = partitioned([(1, "login", "ivan", "acme", {}), (5, "login", "ivan", "old", {})])
    assert members(daft, folder) == {"ivan": "acme"}
    desk = pa.table({
        "at": [NOW - 86_400.0] * 3, "name": ["support.ticket", *["support.message"] * 2],
        "customer": ["ivan", "ivan", "petr"], "company": ["acme", "acme", ""],
        "counters": ["{}"] * 3,
    })  # fmt: skip
    found = _rows(count(daft, read_events(daft, folder, desk), PLAN))
    acme = found["company:acme"]
    assert (acme["tickets.7d"], acme["messages.7d"], acme["verdicts.7d"]) == (1, 1, 0)
    assert found["customer:petr"]["messages.7d"] == 1


def test_only_the_counters_of_most_events_are_kept(daft, partitioned):
    folder = partitioned([
        (1, "x", "a", "", {"b": 1, "c": 1, "d": 1}), (1, "x", "a", "", {"d": 1}),
    ])  # fmt: skip
    [row] = count(daft, read_events(daft, folder), PLAN).to_pylist()
    assert {name for name in row if name.startswith("sum.")} == {
        "sum.b.7d", "sum.b.7d.change", "sum.d.7d", "sum.d.7d.change",
    }  # fmt: skip


def _many(seed=3):
    numbers = random.Random(seed)
    return [
        (numbers.random() * 20, numbers.choice(["login", "a", "b"]), f"c{numbers.randrange(30)}",
         numbers.choice(["", "k1", "k2"]), {"sum": round(numbers.uniform(-5, 5), 3)})
        for _ in range(600)
    ]  # fmt: skip


def test_the_order_and_the_parts_of_files_do_not_matter(daft, partitioned):
    rows = _many()
    first = count(daft, read_events(daft, partitioned(rows)), PLAN)
    shuffled = random.Random(1).sample(rows, len(rows))
    second = count(daft, read_events(daft, partitioned(shuffled, parts=3)), PLAN)
    assert first.equals(second)


def test_churn_is_asked_of_the_active_and_answered_by_silence(daft, partitioned):
    folder = partitioned([
        (10, "login", "stays", "", {}), (2, "login", "stays", "", {}),
        (10, "login", "leaves", "", {}), (40, "login", "long-gone", "", {}),
        (1, "login", "new", "", {}),
    ])  # fmt: skip
    events, question = read_events(daft, folder), Question("churn", 7)
    past = answered(daft, events, PLAN, question)
    assert dict(zip(past["key"].to_pylist(), past["target"].to_pylist(), strict=True)) == {
        "customer:leaves": 1, "customer:stays": 0,
    }  # fmt: skip
    present = asked(daft, events, PLAN, question)
    assert present["key"].to_pylist() == ["customer:new", "customer:stays"]
    # What came later may not be known to the counters of then.
    assert past["events.7d"].to_pylist() == [1, 1]


def test_free_to_paid_leaves_out_who_has_paid_and_buying_does_not(daft, partitioned):
    folder = partitioned([
        (9, "login", "pays", "", {}), (3, "paid", "pays", "", {}),
        (9, "login", "free", "", {}), (3, "login", "free", "", {}),
        (30, "paid", "paid-before", "", {}), (9, "paid", "paid-before", "", {}),
        (2, "paid", "paid-before", "", {}),
    ])  # fmt: skip
    events = read_events(daft, folder)

    def found(target):
        past = answered(daft, events, PLAN, Question(target, 7, "paid"))
        return dict(zip(past["key"].to_pylist(), past["target"].to_pylist(), strict=True))

    assert found("paid") == {"customer:pays": 1, "customer:free": 0}
    assert found("buy") == {"customer:pays": 1, "customer:free": 0, "customer:paid-before": 1}
    present = asked(daft, events, PLAN, Question("paid", 7, "paid"))
    assert present["key"].to_pylist() == ["customer:free"]


def test_events_of_the_future_are_not_the_present(daft, partitioned):
    folder = partitioned([(2, "login", "a", "", {}), (-50, "login", "a", "", {})])
    events = read_events(daft, folder)
    assert last_at(daft, events, NOW) == NOW - 2 * 86_400.0
    assert happened(daft, events, "", NOW, NOW + 100 * 86_400.0) == {"customer:a": 1}
    assert last_at(daft, events, 0.0) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '{"a": "x"}', '{"a": NaN}', '{"a": 1e300}', '{"a": [1]}']
)
def test_counters_that_are_none_count_nothing(text):
    assert kernels.counter_pairs(pa.array([text, None])).to_pylist() == [[], []]


def test_sums_are_exact_in_any_order():
    pairs = kernels.counter_pairs(pa.array(['{"a": 0.1}', '{"a": 0.2}', '{"a": true}']))
    values = [pair["millionths"] for row in pairs.to_pylist() for pair in row]
    assert values == [100_000, 200_000, 1_000_000]


def test_the_engine_is_named_in_full():
    with pytest.raises(SettingsInvalid, match="Give 'native' or 'ray://"):
        engine.start("spark")


_SPY = """
import json, sys, time, urllib.request
asked = []
urllib.request.urlopen = lambda *given, **more: asked.append(str(given[0])) or sys.exit(0)
{code}
time.sleep(0.3)
print(json.dumps(asked))
"""


@pytest.mark.parametrize(
    ("code", "tells"),
    [("import daft; daft.from_pydict({'a': [1]}).collect()", True),
     ("from admin.batch import engine; engine.start().from_pydict({'a': [1]}).collect()", False)],
)  # fmt: skip
def test_the_engine_tells_nobody_that_it_runs(code, tells):
    """By itself it would: the first case shows that the second sees something."""
    environment = {name: value for name, value in os.environ.items() if name not in engine.QUIET}
    run = subprocess.run(
        [sys.executable, "-c", _SPY.format(code=code)], cwd=ROOT, env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert bool(json.loads(run.stdout.splitlines()[-1])) == tells


_ON = """
import sys
from pathlib import Path
from admin.batch import engine
from admin.batch.counters import Plan, count, read_events
import pyarrow.parquet as pq
daft = engine.start(sys.argv[1])
table = count(daft, read_events(daft, Path(sys.argv[2])), Plan(20_000 * 86_400.0, (7,)))
pq.write_table(table, sys.argv[3])
"""


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
@pytest.mark.timeout(240)
def test_native_and_ray_give_equal_tables(partitioned, tmp_path):
    folder = partitioned(_many(), parts=2)
    found = []
    for name in ("native", "ray://local"):
        target = tmp_path / f"{name[:3]}.parquet"
        subprocess.run(
            [sys.executable, "-c", _ON, name, str(folder), str(target)], cwd=ROOT, check=True
        )
        found.append(pq.read_table(target))
    assert found[0].num_rows > 20
    assert found[0].equals(found[1])
