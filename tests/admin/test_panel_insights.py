"""The pages of forecasts: empty, filled, filtered, threshold, export, hold-out."""

from __future__ import annotations

import csv
import io
import re

import pytest

from bot.domain import Inbound, Role
from bot.store.insights import Member, NewRun, Score

DAY_S = 86_400.0
REASONS = (
    {"name": "logins.28d.change", "value": -0.6, "part": 0.9},
    {"name": "tickets.28d", "value": 4.0, "part": 0.5},
    {"name": "plan", "value": "monthly", "part": 0.2},
    {"name": "", "value": None, "part": -0.1},
)


def figures() -> dict:
    curve = [
        {"share": n / 10, "threshold": 1 - n / 10, "precision": 0.95 - n / 20, "low": 0.9 - n / 20,
         "recall": n / 10, "flagged": n * 10}
        for n in range(1, 10)
    ]  # fmt: skip
    bins = [
        {"probability": 0.2, "share": 0.25, "rows": 60},
        {"probability": 0.8, "share": 0.75, "rows": 40},
    ]
    return {"auc": 0.873, "ap": 0.7, "ece": 0.01, "curve": curve, "reliability": bins}


def report(**more) -> dict:
    return {
        "chosen": "logistic", "logistic": figures(), "boosting": figures(), "precision": 0.8,
        "kept": True, "warnings": [], "event": "",
    } | more  # fmt: skip


@pytest.fixture
async def stored(server):
    """``await stored(...)``: a run with its flags, as a finished job leaves it."""
    services = server.services
    jobs = iter(range(1, 100))

    async def keep(probabilities, *, target="churn", held=(), threshold=0.5, members=None, **more):
        made = NewRun(
            target, next(jobs), "events", services.clock(), 28 * DAY_S, threshold, report(**more)
        )
        scores = [Score(s, p, held=s in held, reasons=REASONS) for s, p in probabilities.items()]
        run = await services.store.insights.store_run(made, scores, members or {})
        await services.store.flags.apply(run)
        return run

    return keep


@pytest.mark.parametrize("target", ["churn", "paid", "buy"])
async def test_an_empty_page_says_what_to_do_next(owner, target):
    page = await owner.get(f"/admin/insights/{target}")
    assert 'class="empty"' in page
    assert f'action="/admin/insights/{target}"' in page
    assert f'href="/admin/insights/{target}/table"' in page
    assert ('name="event"' in page) == (target != "churn")


async def test_the_page_lists_flags_with_three_reasons_and_hides_the_hold_out(owner, stored):
    likely = {"company:acme": 0.9, "customer:ivan": 0.7, "company:secret": 0.8}
    await stored(likely | {"company:calm": 0.1}, held=("company:secret",))
    page = await owner.get("/admin/insights/churn")
    assert "acme" in page
    assert "secret" not in page
    assert "calm" not in page
    assert "logins −60% in 28 days" in page
    assert "tickets in 28 days: 4" in page
    assert "plan: monthly" in page
    assert page.index("acme") < page.index("ivan")
    assert "1 flag of the hold-out group" in page
    assert 'type="range"' in page
    filtered = await owner.get("/admin/insights/churn?query=IVA")
    assert "ivan" in filtered
    assert "acme" not in filtered
    assert "Nobody of that name" in await owner.get("/admin/insights/churn?query=zz")
    russian = await owner.get("/admin/insights/churn", lang="ru")
    assert "входы −60\xa0% за 28 дней" in russian


async def test_a_moved_threshold_raises_and_closes_flags(owner, stored, server, actions):
    await stored({"company:a": 0.9, "company:b": 0.6, "company:c": 0.35})
    where, _ = await owner.post("/admin/insights/churn/threshold", share="0.7")
    assert "insights-threshold" in where
    flags = server.services.store.flags
    assert (await flags.open("churn")).total == 3
    await owner.post("/admin/insights/churn/threshold", share="0.1")
    assert [flag.subject for flag in (await flags.open("churn")).items] == ["company:a"]
    assert ("owner0", "insights.threshold", "churn") in await actions()


@pytest.mark.parametrize("share", ["", "much", "2", "-1", "nan"])
async def test_a_threshold_that_is_none_changes_nothing(owner, stored, server, share):
    run = await stored({"company:a": 0.9})
    _, page = await owner.post("/admin/insights/churn/threshold", status=400, share=share)
    assert "was not changed" in page
    assert (await server.services.store.insights.latest("churn")).threshold == run.threshold


async def test_a_threshold_without_a_run_is_refused(owner):
    await owner.post("/admin/insights/churn/threshold", status=400, share="0.5")


async def test_flags_leave_as_csv_with_their_reasons(owner, stored):
    await stored({"company:=cmd": 0.9, "customer:ivan": 0.7, "company:x": 0.1})
    async with owner.session.get("/admin/insights/churn/flags.csv") as response:
        assert response.status == 200
        text = (await response.read()).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[0] for row in rows[1:]] == ["company:=cmd", "customer:ivan"]
    assert rows[1][1] == "0.9000"
    assert rows[1][3:] == ["logins −60% in 28 days", "tickets in 28 days: 4", "plan: monthly"]


async def test_the_hold_out_says_what_acting_brings_and_how_many_are_needed(
    owner, stored, server, cells
):
    services = server.services
    names = [f"company:{n}" for n in range(200)]
    await stored(dict.fromkeys(names, 0.9), held=names[:100])
    page = await owner.get("/admin/insights/churn")
    assert "Nothing to compare yet" in page
    due = await services.store.flags.due("churn", services.clock() + 29 * DAY_S)
    left = {f"company:{n}" for n in [*range(60), *range(100, 130)]}
    await services.store.flags.judge({flag.id: flag.subject in left for flag in due})
    page = await owner.get("/admin/insights/churn")
    assert "60.0%" in page
    assert "30.0%" in page
    assert "The difference is real" in page
    found = re.search(r"each group needs ([\d,]+) flags", page)
    assert found
    assert 9_000 < int(found[1].replace(",", "")) < 13_000


async def test_warnings_and_an_unkept_promise_are_told(owner, stored):
    await stored({"company:a": 0.4}, threshold=1.01, kept=False, warnings=[
        {"code": "leak", "column": "logins.28d", "auc": 0.995, "text": "x"},
        {"code": "something-new", "text": "A new warning."},
    ])  # fmt: skip
    page = await owner.get("/admin/insights/churn")
    assert "logins in 28 days' alone gives AUC 0.9" in page.replace("&#39;", "'")
    assert "A new warning." in page
    assert "80% can be promised" in page
    assert "Nobody is flagged at this threshold" in page


async def test_the_card_and_the_queue_show_the_flag(owner, stored, server):
    store = server.services.store
    [receipt] = await store.conversations.receive(
        [Inbound("rest", "m1", "visitor-7", "Where is my invoice?", received_at=1.0)]
    )
    await stored({"company:acme": 0.83}, members={"visitor-7": Member("ivan", "acme")})
    page = await owner.get(f"/desk?view=flagged&c={receipt.conversation_public_id}")
    assert "may leave" in page
    assert "83%" in page
    assert "logins −60% in 28 days" in page
    assert 'data-view="flagged"' in page


async def test_agents_do_not_see_forecasts_of_everybody(enter, stored):
    await stored({"company:acme": 0.9})
    agent = await enter(Role.AGENT)
    await agent.get("/admin/insights/churn", status=403)
    await agent.get("/admin/insights/churn/flags.csv", status=403)


async def test_a_free_to_paid_run_needs_its_event(owner):
    _, page = await owner.post("/admin/insights/paid", status=400)
    assert "Name the event" in page
