"""Training jobs with real child processes: live, cancelled, failed, found again."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from pathlib import Path

import msgspec
import pytest

from bot.bus import Bus
from bot.domain import Ticket
from bot.errors import BadRequest, Conflict, NotFound
from bot.learning.child import Child
from bot.learning.jobs import JobRunner
from bot.serving import Serving

COMPANY = Path(__file__).resolve().parents[2] / "admin" / "demo" / "company" / "a_1.jsonl"


@pytest.fixture
def fast_settings(settings):
    return msgspec.structs.replace(
        settings, training=msgspec.structs.replace(settings.training, preset="fast")
    )


@pytest.fixture
async def serving(fast_settings, store, clock):
    serving = Serving(fast_settings, store, clock)
    await serving.start()
    return serving


@pytest.fixture
async def company(store):
    """Five topics with tickets: enough for every part, quick to train."""
    lines = COMPANY.read_text(encoding="utf-8").splitlines()[:8]
    for topic in map(json.loads, lines):
        article = await store.knowledge.save(
            title=topic["title"]["ru"], text=topic["answer"]["ru"], category=topic["id"]
        )
        await store.knowledge.import_tickets(
            [Ticket(text, topic["id"], answer_id=article.id) for text in topic["questions"]["ru"]]
        )
    return store


def _runner(settings, store, serving, bus, clock):
    return JobRunner(settings, store, serving, bus, clock)


async def _until_child_works(store, job_id: int) -> None:
    for _ in range(600):
        job = await store.jobs.get(job_id)
        if job.stage not in ("", "collecting") or job.finished_at is not None:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the child never spoke")


def _works(pid: int) -> bool:
    """Whether a process runs; one that ended but was not collected has no command line."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.exists() and bool(path.read_bytes())


def _pid(settings, job_id: int) -> int:
    return int((settings.data_path / "jobs" / str(job_id) / "pid").read_text())


async def test_unknown_kinds_and_presets_are_refused(fast_settings, store, serving, clock):
    runner = _runner(fast_settings, store, serving, Bus(), clock)
    with pytest.raises(BadRequest):
        await runner.submit("dance")
    with pytest.raises(BadRequest):
        await runner.train(preset="huge")
    with pytest.raises(BadRequest):
        await runner.train(part="half")
    with pytest.raises(NotFound):
        await runner.cancel(7)
    assert await store.jobs.list() == []


async def test_too_little_data_fails_with_a_reason(fast_settings, store, serving, clock):
    runner = _runner(fast_settings, store, serving, Bus(), clock)
    job = await runner.train()
    again = await asyncio.gather(*(runner.train(part="ranker") for _ in range(5)))
    assert {one.id for one in again} == {job.id}
    ended = await runner.wait(job.id)
    assert ended.state == "failed"
    assert "too little to learn from" in ended.reason
    assert not (fast_settings.data_path / "jobs" / str(job.id)).exists()
    with pytest.raises(Conflict):
        await runner.cancel(job.id)
    assert serving.bundle is None


async def test_training_goes_live_and_tells_the_desk(fast_settings, company, serving, clock):
    bus = Bus()
    news = bus.subscribe({"desk"})
    runner = _runner(fast_settings, company, serving, bus, clock)
    await runner.start()
    job = await runner.train()
    ended = await runner.wait(job.id)
    assert ended.state == "done", ended.reason
    assert ended.progress == 1.0
    version = ended.metrics["version"]
    assert ended.metrics["classifier"]["labels"] == 8
    assert await company.models.alias("champion") == version
    assert serving.bundle is not None
    assert serving.bundle.version == version
    assert serving.answerer.suggest("как зарегистрироваться").model_version == version
    assert any("ranking" in line for line in ended.metrics["log"])
    curve = ended.metrics["loss"][-1]["points"]
    assert 5 < len(curve) <= 30
    assert curve[0][1] > curve[-1][1]
    assert ended.metrics["ruling"]["passed"] is True
    news.close()
    events = [event async for event in news]
    stages = [event.data for event in events if event.name == "job.progress"]
    shares = [data["progress"] for data in stages]
    assert shares == sorted(shares)
    assert {data["state"] for data in stages} == {"running", "done"}
    assert any(data["eta_s"] for data in stages)
    assert [e.data for e in events if e.name == "model.changed"] == [{"version": version}]
    # Nothing of the customers' texts is left behind.
    assert list((fast_settings.data_path / "jobs").iterdir()) == []
    assert [p.name for p in fast_settings.artefacts_path.iterdir()] == [version]


async def test_a_refused_training_says_why_and_leaves_the_live_model(
    fast_settings, company, serving, clock
):
    runner = _runner(fast_settings, company, serving, Bus(), clock)
    live = (await runner.wait((await runner.train(part="classifier")).id)).metrics["version"]
    await company.canaries.add("как зарегистрироваться", category="refunds.never")
    ended = await runner.wait((await runner.train(part="classifier")).id)
    assert ended.state == "refused"
    assert "Control questions lost their answer (1 of 1): «как зарегистрироваться»" in ended.reason
    assert ended.metrics["trained"] == ended.metrics["fresh"] == ["classifier"]
    assert ended.metrics["promoted"] is False
    assert await company.models.alias("champion") == live
    assert await company.models.alias("challenger") == ended.metrics["version"]
    assert serving.bundle.version == live
    assert await company.models.seal(live)


async def test_cancelled_training_leaves_nothing(fast_settings, company, serving, clock):
    runner = _runner(fast_settings, company, serving, Bus(), clock)
    job = await runner.train()
    await _until_child_works(company, job.id)
    pid = _pid(fast_settings, job.id)
    ended = await runner.cancel(job.id)
    assert ended.state == "cancelled"
    assert serving.bundle is None
    assert not _works(pid)
    assert await company.models.bundles() == []
    assert list(fast_settings.artefacts_path.iterdir()) == []


async def test_killed_child_fails_the_job(fast_settings, company, serving, clock):
    runner = _runner(fast_settings, company, serving, Bus(), clock)
    job = await runner.train()
    await _until_child_works(company, job.id)
    os.kill(_pid(fast_settings, job.id), signal.SIGKILL)
    ended = await runner.wait(job.id)
    assert ended.state == "failed"
    assert "ended early" in ended.reason


async def test_job_is_found_again_by_the_next_server(fast_settings, company, serving, clock):
    first = _runner(fast_settings, company, serving, Bus(), clock)
    job = await first.train(promote=False)
    await _until_child_works(company, job.id)
    pid = _pid(fast_settings, job.id)
    await first.stop()
    assert _works(pid)
    assert [live.id for live in await company.jobs.live()] == [job.id]
    second = _runner(fast_settings, company, serving, Bus(), clock)
    await second.start()
    ended = await second.wait(job.id)
    assert ended.state == "done", ended.reason
    assert ended.metrics["promoted"] is False
    assert serving.bundle is None
    (bundle,) = await company.models.bundles()
    assert bundle.aliases == ("challenger",)


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1])
async def test_stopping_at_any_moment_leaves_nothing_half_way(
    fast_settings, company, serving, clock, delay_s
):
    first = _runner(fast_settings, company, serving, Bus(), clock)
    job = await first.train(promote=False)
    await asyncio.sleep(delay_s)
    await first.stop()
    folder = fast_settings.data_path / "jobs" / str(job.id)
    started = (folder / "pid").exists()
    assert Child(folder).runs() == started
    files = sorted(folder.glob("*"))
    gc.collect()  # what was left open would warn, and warnings are errors here
    await asyncio.sleep(0.1)
    # The child makes files of its own elsewhere; a late launch would show here.
    assert (folder / "pid").exists() == started
    assert set(files) <= set(folder.glob("*"))
    second = _runner(fast_settings, company, serving, Bus(), clock)
    await second.start()
    if started:
        assert _works(_pid(fast_settings, job.id))
        assert (await second.cancel(job.id)).state == "cancelled"
    else:
        assert (await second.wait(job.id)).state == "failed"
    await second.stop()


async def test_job_without_a_child_ends_at_the_next_start(fast_settings, store, serving, clock):
    unborn = await store.jobs.create("train", {})
    runner = _runner(fast_settings, store, serving, Bus(), clock)
    await runner.start()
    ended = await runner.wait(unborn.id)
    assert ended.state == "failed"
    dead = await store.jobs.create("train", {})
    folder = fast_settings.data_path / "jobs" / str(dead.id)
    folder.mkdir(parents=True)
    (folder / "job.json").write_text("{}")
    await runner.start()
    ended = await runner.wait(dead.id)
    assert ended.state == "failed"
    assert "ended early" in ended.reason
