import asyncio

import pytest

from bot.errors import Conflict, NotFound


async def test_nothing_to_promote_or_to_go_back_to(store):
    with pytest.raises(NotFound):
        await store.models.promote("v1")
    with pytest.raises(Conflict):
        await store.models.rollback()
    assert await store.models.alias("champion") is None


async def test_promote_and_roll_back(store, clock):
    for version in ("v1", "v2"):
        await store.models.add_bundle(version, f"/models/{version}", {"accuracy": 0.9})
        clock.advance(1)
    assert await store.models.alias("challenger") == "v2"
    await store.models.promote("v1")
    await store.models.promote("v2")
    await store.models.promote("v2")
    bundles = {bundle.version: bundle.aliases for bundle in await store.models.bundles()}
    assert bundles == {"v2": ("champion",), "v1": ("previous",)}
    assert await store.models.rollback() == "v1"
    assert await store.models.rollback() == "v2"
    assert (await store.models.bundles())[0].metrics == {"accuracy": 0.9}


async def test_one_live_job_of_a_kind(store):
    outcomes = await asyncio.gather(
        *(store.jobs.create("train", {"preset": "fast"}) for _ in range(10)), return_exceptions=True
    )
    jobs = [outcome for outcome in outcomes if not isinstance(outcome, Conflict)]
    assert len(jobs) == 1
    assert (await store.jobs.create("batch")).kind == "batch"
    assert len(await store.jobs.live()) == 2
    await store.jobs.finish(jobs[0].id, "failed", "no rows")
    assert (await store.jobs.create("train")).id != jobs[0].id


async def test_progress_and_end(store, clock):
    job = await store.jobs.create("train", {"preset": "fast"})
    assert (job.state, job.params) == ("queued", {"preset": "fast"})
    await store.jobs.progress(job.id, "encoder", 0.4, 12.0, {"loss": 1.0})
    running = await store.jobs.progress(job.id, "correction", 7.0, None, {"pairs": 3})
    assert (running.state, running.stage, running.progress) == ("running", "correction", 1.0)
    done = await store.jobs.finish(job.id, "done", metrics={"version": "v1"})
    assert done.metrics == {"loss": 1.0, "pairs": 3, "version": "v1"}
    assert (done.finished_at, await store.jobs.live()) == (clock(), [])
    for attempt in (store.jobs.finish(job.id, "failed"), store.jobs.progress(job.id, "x", 0)):
        with pytest.raises(Conflict):
            await attempt
    with pytest.raises(NotFound):
        await store.jobs.get(99)
    assert [listed.id for listed in await store.jobs.list()] == [job.id]


async def test_silent_job_is_found(store, clock):
    job = await store.jobs.create("train")
    clock.advance(50)
    await store.jobs.heartbeat(job.id)
    clock.advance(60)
    assert await store.jobs.stale(60) == []
    clock.advance(1)
    assert [found.id for found in await store.jobs.stale(60)] == [job.id]
