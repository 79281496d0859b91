"""Jobs of a kind that is offered besides training, with real children."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.bus import Bus
from bot.errors import BadRequest
from bot.learning.jobs import JobRunner
from bot.learning.work import Ending
from bot.serving import Serving
from nlp.artifacts import save_json

CHILD = """
import json, sys, time
print(json.dumps({"stage": "adding", "progress": 0.5, "eta_s": None}), flush=True)
orders = json.load(open(sys.argv[1] + "/job.json"))
print(json.dumps({"failed": "No numbers."} if not orders["numbers"]
                 else {"sum": sum(orders["numbers"])}), flush=True)
"""


class Adding:
    """Adds numbers in a child."""

    kind = "adding"
    module = "adding_child"
    closing = "writing down"
    threads = 1

    def __init__(self) -> None:
        self.sums: list[int] = []

    def check(self, params) -> None:
        if not isinstance(params.get("numbers"), list):
            raise BadRequest("Give numbers.")

    async def prepare(self, job, folder: Path) -> None:
        folder.mkdir(parents=True)
        save_json(folder / "job.json", dict(job.params))

    async def conclude(self, job, said, folder: Path) -> Ending:
        self.sums.append(said["sum"])
        return Ending("done", "", {"sum": said["sum"], "kept": (folder / "job.json").exists()})


@pytest.fixture
async def runner(settings, store, clock, tmp_path, monkeypatch):
    (tmp_path / "adding_child.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path) in sys.path
    runner = JobRunner(settings, store, Serving(settings, store, clock), Bus(), clock)
    await runner.start()
    yield runner
    await runner.stop()


async def test_an_offered_kind_runs_and_its_end_is_kept(runner, store, settings):
    with pytest.raises(BadRequest, match="no jobs of kind 'adding'"):
        await runner.submit("adding", {"numbers": [1]})
    work = Adding()
    await runner.offer(work)
    with pytest.raises(BadRequest, match="Give numbers"):
        await runner.submit("adding", {})
    job, fresh = await runner.submit("adding", {"numbers": [1, 2, 3]})
    assert fresh
    ended = await runner.wait(job.id)
    assert (ended.state, work.sums) == ("done", [6])
    assert ended.metrics["sum"] == 6
    assert ended.metrics["kept"] is True
    assert not list((settings.data_path / "jobs").iterdir())


async def test_what_the_child_says_of_its_failure_is_the_reason(runner, store):
    await runner.offer(Adding())
    job, _ = await runner.submit("adding", {"numbers": []})
    ended = await runner.wait(job.id)
    assert (ended.state, ended.reason) == ("failed", "No numbers.")


async def test_a_job_of_an_earlier_server_waits_for_its_kind(runner, store, settings):
    job = await store.jobs.create("adding", {"numbers": [4, 5]})
    folder = settings.data_path / "jobs" / str(job.id)
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{}")
    (folder / "stdout").write_text('{"sum": 9}\n')
    assert (await store.jobs.get(job.id)).finished_at is None
    work = Adding()
    await runner.offer(work)
    ended = await runner.wait(job.id)
    assert (ended.state, work.sums) == ("done", [9])
