"""Runs, scores and flags: what is shown, what is held back, what came true."""

import msgspec
import pytest

from bot.errors import NotFound
from bot.store.flags import HELD, SHOWN
from bot.store.insights import Member, NewRun, Score

DAY_S = 86_400.0
REPORT = {"chosen": "logistic"}
REASON = {"name": "logins.28d.change", "value": -0.6, "part": 0.8}


@pytest.fixture
def stored(store, clock):
    """``await stored(probabilities, held=..., job_id=...)``: a run with these scores."""

    async def keep(
        probabilities, *, held=(), job_id=1, threshold=0.5, target="churn", members=None
    ):
        scores = [
            Score(subject, probability, held=subject in held, reasons=(REASON,))
            for subject, probability in probabilities.items()
        ]
        run = NewRun(target, job_id, "events", clock(), 28 * DAY_S, threshold, REPORT)
        return await store.insights.store_run(run, scores, members or {})

    return keep


async def _open(store, target="churn"):
    return {flag.subject: flag.probability for flag in (await store.flags.open(target)).items}


async def test_scores_come_back_in_a_total_order_and_a_repeated_run_replaces_itself(store, stored):
    await stored({"company:a": 0.1}, job_id=4)
    run = await stored({"company:b": 0.5, "company:a": 0.5, "customer:c": 0.9}, job_id=4)
    assert [one.id for one in await store.insights.runs("churn")] == [run.id]
    assert (run.subjects, run.report, run.source) == (3, REPORT, "events")
    page = await store.insights.scores(run.id, per_page=2)
    assert [one.subject for one in page.items] == ["customer:c", "company:a"]
    assert (page.total, page.pages, page.items[0].reasons) == (3, 2, (REASON,))
    assert (await store.insights.score(run.id, "company:b")).probability == 0.5
    assert await store.insights.score(run.id, "company:z") is None
    assert await store.insights.latest("paid") is None
    with pytest.raises(NotFound):
        await store.insights.set_threshold(99, 0.5)


async def test_scores_of_old_runs_go_and_their_reports_stay(store, stored):
    runs = [await stored({"company:a": 0.1}, job_id=job) for job in range(1, 4)]
    kept = [len((await store.insights.scores(run.id)).items) for run in runs]
    assert kept == [0, 1, 1]
    assert len(await store.insights.runs("churn")) == 3


async def test_flags_follow_scores_and_threshold(store, stored, clock):
    first = await stored({"company:a": 0.9, "company:b": 0.6, "customer:c": 0.2})
    assert await store.flags.apply(first) == 2
    assert await _open(store) == {"company:a": 0.9, "company:b": 0.6}
    clock.advance(DAY_S)
    second = await stored({"company:a": 0.8, "company:b": 0.4, "customer:c": 0.7}, job_id=2)
    assert await store.flags.apply(second) == 1
    assert await _open(store) == {"company:a": 0.8, "customer:c": 0.7}
    assert await store.flags.apply(second) == 0
    higher = await store.insights.set_threshold(second.id, 0.75)
    assert await store.flags.apply(higher) == 0
    assert await _open(store) == {"company:a": 0.8}
    found = await store.flags.open("churn", query="ANY:A")
    assert [flag.subject for flag in found.items] == ["company:a"]
    assert (await store.flags.open("churn", query="zz")).total == 0
    [kept] = (await store.flags.open("churn")).items
    # A flag keeps the time at which it was raised: from then on it is judged.
    assert (kept.as_of, kept.due_at) == (first.as_of, first.as_of + 28 * DAY_S)


async def test_the_hold_out_is_judged_but_never_shown(store, stored, clock):
    run = await stored(
        {f"company:{n}": 0.9 for n in range(6)}, held=("company:0", "company:1", "company:2")
    )
    assert await store.flags.apply(run) == 3
    assert set(await _open(store)) == {"company:3", "company:4", "company:5"}
    assert await store.flags.of_customer("0") == []
    assert await store.flags.due("churn", clock()) == []
    due = await store.flags.due("churn", clock() + 28 * DAY_S)
    assert len(due) == 6
    left = {"company:0", "company:1", "company:3"}
    await store.flags.judge({flag.id: flag.subject in left for flag in due})
    arms = await store.flags.arms("churn")
    assert (arms[SHOWN].judged, arms[SHOWN].came_true, arms[SHOWN].open) == (3, 1, 0)
    assert (arms[HELD].judged, arms[HELD].came_true, arms[HELD].open) == (3, 2, 0)
    # Whoever is still above the threshold afterwards is flagged anew.
    again = await stored({"company:3": 0.9}, job_id=2)
    assert await store.flags.apply(again) == 1


async def test_a_customer_carries_their_own_flags_and_their_companys(store, stored):
    members = {
        "ivan": Member("", "acme"),
        "olga": Member("", "other"),
        "visitor-7": Member("ivan", "acme"),
    }
    await store.flags.apply(await stored({"company:acme": 0.8}, members=members))
    await store.flags.apply(
        await stored({"customer:ivan": 0.9, "customer:olga": 0.1}, job_id=2, target="paid")
    )
    flags = await store.flags.of_customer("ivan")
    assert [(flag.target, flag.subject) for flag in flags] == [
        ("paid", "customer:ivan"), ("churn", "company:acme"),
    ]  # fmt: skip
    assert await store.flags.of_customer("visitor-7") == flags
    assert await store.flags.of_customer("olga") == []


async def test_the_queue_shows_conversations_of_flagged_customers(store, stored, inbound):
    receipts = await store.conversations.receive(
        [inbound(customer=name, channel="rest") for name in ("ivan", "olga", "pyotr")]
        # A messenger's number is no name of the site's.
        + [inbound(customer="ivan", channel="telegram")]
    )
    await store.flags.apply(
        await stored({"company:acme": 0.8, "customer:pyotr": 0.9}, held=("customer:pyotr",),
                     members={"ivan": Member("", "acme"), "olga": Member("", "other")})
    )  # fmt: skip
    page = await store.conversations.queue("flagged", None)
    assert [one.id for one in page.items] == [receipts[0].conversation_id]
    assert (await store.conversations.counts(None))["flagged"] == 1


async def test_a_webhook_hears_of_new_shown_flags_only(store, stored):
    webhook, _ = await store.webhooks.create("CRM", "https://a.example/", ["customer.flagged"])
    run = await stored({"company:a": 0.9, "company:b": 0.8, "company:c": 0.7}, held=("company:b",))
    await store.flags.apply(run)
    await store.flags.apply(run)
    bodies = [
        msgspec.json.decode(one.body)["data"]
        for one in (await store.webhooks.deliveries(webhook)).items
    ]
    assert {body["subject"] for body in bodies} == {"company:a", "company:c"}
    assert {body["target"] for body in bodies} == {"churn"}
    assert bodies[0]["reasons"] == [REASON]


async def test_an_erased_customer_leaves_no_score_and_no_flag(store, stored, inbound):
    await store.conversations.receive(
        [inbound(customer=name, channel="rest") for name in ("ivan", "olga")]
    )
    run = await stored(
        {"customer:ivan": 0.9, "customer:olga": 0.8}, members={"ivan": Member("ivan", "acme")}
    )
    await store.flags.apply(run)
    customer = await store.erasing.customer("rest:ivan")
    assert (await store.erasing.trace(customer)).counts["flags"] == 1
    await store.erasing.erase(customer)
    assert await _open(store) == {"customer:olga": 0.8}
    assert await store.insights.score(run.id, "customer:ivan") is None
    assert await store.erasing.look_for(["ivan"]) == {}
