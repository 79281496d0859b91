"""From events to flags: counted, fitted, shown, judged when their time is over."""

from __future__ import annotations

import time

import pytest

from admin.batch import engine
from admin.batch.counters import read_events
from admin.batch.event_export import export
from admin.scoring.from_events import judged
from admin.scoring.orders import read_orders
from admin.scoring.work import InsightWork
from bot.domain import Inbound
from bot.store.insights import NewRun, Score

DAY_S = 86_400.0


@pytest.fixture
async def told(server, fading):
    """A server with the story on it, and a ticket of one who is quiet."""
    services = server.services
    await services.intake.put(fading(time.time()))
    await services.store.conversations.receive(
        [Inbound("rest", "m1", "user-1", "How do I cancel?", received_at=time.time())]
    )
    return services


async def test_events_become_flags_with_reasons(told, owner):
    where, _ = await owner.post("/admin/insights/churn")
    assert where == "/admin/insights/churn"
    [job] = await told.store.jobs.live()
    async with owner.session.get("/admin/insights/churn/job") as response:
        assert (await response.json())["job"]["id"] == job.id
    ended = await told.jobs.wait(job.id)
    assert ended.state == "done", ended.reason
    run = await told.store.insights.latest("churn")
    scores = {
        one.subject: one for one in (await told.store.insights.scores(run.id, per_page=500)).items
    }
    # Companies where there is one, customers where there is none, nobody who is long gone.
    assert "company:firm-1" in scores
    assert "customer:user-4" in scores
    assert "customer:user-1" not in scores
    assert not {"company:firm-3", "customer:user-6"} & set(scores)
    assert run.report["windows_days"] == [7, 28]
    # Time alone is no drift: those who stay have the same counters now as then.
    told_of = {(one["code"], one.get("column")) for one in run.report["warnings"]}
    assert ("drift", "known_days") not in told_of
    quiet = [
        one.probability for name, one in scores.items() if int(name.rpartition("-")[2]) % 3 == 1
    ]
    lively = [
        one.probability for name, one in scores.items() if int(name.rpartition("-")[2]) % 3 == 2
    ]
    assert min(quiet) > max(lively)
    held = [one.subject for one in scores.values() if one.held]
    assert 0 < len(held) < 20
    page = await owner.get("/admin/insights/churn")
    assert "28 days" in page
    card = await owner.get("/desk?view=all")
    assert "How do I cancel?" in card


async def test_flags_are_judged_when_their_time_is_over(told, tmp_path):
    """Those of firm 3, who is gone, and firm 1, who stays, were raised four weeks ago."""
    store, then = told.store, time.time() - 28 * DAY_S
    made = NewRun("churn", 1, "events", then, 28 * DAY_S, 0.5, {"event": ""})
    scores = [Score("company:firm-1", 0.9), Score("company:firm-3", 0.8, held=True)]
    await store.flags.apply(await store.insights.store_run(made, scores, {}))
    flags = {flag.subject: flag.id for flag in await store.flags.due("churn", time.time())}
    job = await store.jobs.create("insights", {"target": "churn"})
    await InsightWork(told).prepare(job, tmp_path / "job")
    orders = read_orders(tmp_path / "job")
    assert {one.id for one in orders.due} == set(flags.values())
    export(told.settings.events_path, tmp_path / "days", time.time())
    daft = engine.start()
    came = judged(daft, read_events(daft, tmp_path / "days"), orders)
    assert came == {str(flags["company:firm-1"]): False, str(flags["company:firm-3"]): True}


async def test_without_events_the_page_says_what_is_missing(owner, server):
    await owner.post("/admin/insights/churn")
    [job] = await server.services.store.jobs.live()
    ended = await server.services.jobs.wait(job.id)
    assert ended.state == "failed"
    page = await owner.get("/admin/insights/churn")
    assert "There are no events of known customers or companies yet" in page
    assert 'class="empty"' in page


async def test_a_run_can_be_cancelled_and_another_target_waits_for_it(told, owner, actions):
    await owner.post("/admin/insights/buy", event="bought")
    [job] = await told.store.jobs.live()
    await owner.post("/admin/insights/churn")
    assert [one.id for one in await told.store.jobs.live()] == [job.id]
    await owner.post("/admin/insights/buy/cancel")
    assert (await told.store.jobs.get(job.id)).state == "cancelled"
    assert await told.store.insights.latest("buy") is None
    assert [action for _, action, _ in await actions()][:2] == [
        "insights.cancelled", "insights.started",
    ]  # fmt: skip
