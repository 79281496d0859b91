"""The pages of models, training and answering without a person, as an admin works with them."""

from __future__ import annotations

import re

import pytest

from bot.catalogue import Catalogue
from bot.domain import Inbound, Role, Verdict, VerdictRecord
from bot.learning import gate
from bot.learning.gate import Check, Ruling
from bot.store.records import ShadowScore

PAGES = ("/admin/models", "/admin/training", "/admin/automatic")
REFUSED = gate.check_leak(["a text"])
KEPT = gate.check_leak([])


def paired(name: str, low: float, high: float) -> Check:
    params = {
        "part": name, "rows": "120", "lost": "1", "gained": "9",
        "low": f"{low:+.1f}", "high": f"{high:+.1f}",
    }  # fmt: skip
    return Check(f"frozen-{name}", True, "gate.paired.kept", params, 0.05, -0.03)


@pytest.fixture
async def two(shop):
    """A live model and a challenger that passed its checks."""
    await shop.publish("v1", shop.figures(), live=True)
    checks = (KEPT, paired("categories", 0.8, 7.5), paired("answers", -2.0, 3.0))
    await shop.publish("v2", shop.figures(0.5, Ruling(checks, "v1")))
    return shop


def say(key: str, lang: str = "en", **params: object) -> str:
    return Catalogue.load().text(key, lang, **params)


async def test_pages_are_for_admins(enter, shop) -> None:
    agent = await enter(Role.AGENT)
    for path in (*PAGES, "/admin/models/v1", "/admin/training/job", "/admin/training/loss"):
        await agent.get(path, status=403)
    for path in (
        "/admin/models/promote", "/admin/models/rollback", "/admin/models/shadow",
        "/admin/models/canaries", "/admin/training", "/admin/training/cancel", "/admin/automatic",
        "/admin/automatic/threshold",
    ):  # fmt: skip
        await agent.post(path, status=403)
    admin = await enter(Role.ADMIN)
    for path in PAGES:
        await admin.get(path)


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_empty_pages_name_one_next_action(owner, lang) -> None:
    for path in PAGES:
        page = await owner.get(path, lang=lang)
        assert page.count('class="empty"') == 1
        assert page.count('class="button primary" href="/admin/') == 1
    await owner.get("/admin/models/nothing", lang=lang, status=404)


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_filled_pages_have_everything_in_both_languages(owner, two, lang) -> None:
    page = await owner.get("/admin/models", lang=lang)
    for key in ("passed", "confusion", "reliability-ranking", "by-category", "canaries", "all"):
        assert say(f"panel.models.{key}", lang) in page
    assert say("panel.models.canary-help", lang) in page
    for version in ("v1", "v2"):
        one = await owner.get(f"/admin/models/{version}", lang=lang)
        assert say("gate.leak.none", lang) in one
        assert say("panel.models.data.articles", lang, n=3) in one
        assert "Empty" in one
    page = await owner.get("/admin/automatic", lang=lang)
    assert say("panel.automatic.falls-short", lang) in page
    assert say("panel.training.gate", lang) in await owner.get("/admin/training", lang=lang)


async def test_a_difference_is_coloured_only_where_it_is_real(owner, two, cells) -> None:
    page = await owner.get("/admin/models")
    right = cells(page, say("panel.measure.classifier.accuracy"))
    # Folds of two trainings differ by 40 points; the same frozen questions say it is better.
    assert right[:2] == ["90.0%", "50.0%"]
    assert right[2] == "−40.0 pts better +0.8 to +7.5 points on frozen questions (120)"
    answers = cells(page, say("panel.measure.ranking.acc_at_1"))
    assert (
        answers[2] == "0.0 pts no more than chance: −2.0 to +3.0 points on frozen questions (120)"
    )
    assert cells(page, say("panel.measure.latency_ms.new"))[2] == "0.0 ms"
    table = re.search(r"<table.*?</table>", page, re.DOTALL)
    assert table
    assert table[0].count("badge good") == 1
    assert "badge bad" not in table[0]
    # On its own page it comes first, and the difference is still its own against the live one.
    own = cells(await owner.get("/admin/models/v2"), say("panel.measure.classifier.accuracy"))
    assert own[:2] == ["50.0%", "90.0%"]
    assert own[2] == right[2]
    # What was said of v2 against v1 is turned round when v1 is seen from v2.
    await owner.post("/admin/models/promote", version="v2")
    old = cells(await owner.get("/admin/models/v1"), say("panel.measure.classifier.accuracy"))
    assert old[2] == "+40.0 pts worse −7.5 to −0.8 points on frozen questions (120)"


async def test_the_interval_of_another_comparison_is_not_shown(owner, two, cells) -> None:
    await two.publish("v3", two.figures(0.7, Ruling((KEPT, paired("categories", 5, 9)), "v0")))
    page = await owner.get("/admin/models")
    assert cells(page, say("panel.measure.classifier.accuracy"))[2] == "−20.0 pts"
    assert say("gate.judged-against-another") in page
    assert say("panel.models.force") in page


async def test_categories_are_those_of_the_challenger_worst_first(owner, two) -> None:
    page = await owner.get("/admin/models")
    assert page.index("?category=Ship") < page.index("?category=Pay")
    ship = re.search(r"\?category=Ship.*?</tr>", page, re.DOTALL)
    assert ship
    assert "−40\xa0pts" in ship[0]
    await owner.post("/admin/models/promote", version="v2")
    ship = re.search(r"\?category=Ship.*?</tr>", await owner.get("/admin/models"), re.DOTALL)
    assert ship
    assert "−40\xa0pts" in ship[0]  # live since, against the previous one


async def test_promote_and_roll_back(owner, two, actions) -> None:
    location, _ = await owner.post("/admin/models/promote", version="v2")
    assert "v2" in await owner.get(location)
    assert two.services.serving.bundle.version == "v2"
    location, _ = await owner.post("/admin/models/rollback")
    assert say("panel.done.rolled-back", version="v1") in await owner.get(location)
    assert two.services.serving.bundle.version == "v1"
    assert await two.store.models.alias("previous") == "v2"
    assert (await actions())[:2] == [
        ("owner0", "model.rolled-back", "v1"), ("owner0", "model.promoted", "v2"),
    ]  # fmt: skip
    await owner.post("/admin/models/promote", status=404, version="v9")


async def test_roll_back_without_a_previous_model(owner, shop) -> None:
    await shop.publish("v1", shop.figures(), live=True)
    assert say("panel.models.rollback") not in await owner.get("/admin/models")
    await owner.post("/admin/models/rollback", status=404)


async def test_a_refused_challenger_says_why_and_needs_force(owner, two) -> None:
    await two.publish("v3", two.figures(0.9, Ruling((KEPT, REFUSED), "v1")))
    page = await owner.get("/admin/models", lang="ru")
    assert say("gate.leak.some", "ru", n="1") in page
    assert page.index(say("gate.leak.some", "ru", n="1")) < page.index(say("gate.leak.none", "ru"))
    assert say("panel.models.force-confirm", "ru", version="v3") in page
    await owner.post("/admin/models/promote", status=409, version="v3")
    assert two.services.serving.bundle.version == "v1"
    await owner.post("/admin/models/promote", version="v3", force="1")
    assert two.services.serving.bundle.version == "v3"
    entry = (await two.store.people.audit_log()).items[0]
    assert entry.detail["forced"] is True


async def test_the_shadow_is_begun_shown_and_ended(owner, two, actions) -> None:
    location, _ = await owner.post("/admin/models/shadow", version="v2")
    assert "done=shadow" in location
    page = await owner.get(location)
    assert say("shadow.verdict.few") in page
    assert say("panel.models.shadow-same") in page
    await owner.post("/admin/models/shadow", status=409, version="v1")
    await owner.post("/admin/models/shadow", status=404, version="v9")
    location, _ = await owner.post("/admin/models/shadow", version="")
    assert "shadow-ended" in location
    assert say("panel.models.shadow-scored") not in await owner.get("/admin/models")
    assert ("owner0", "model.shadow", "v2") in await actions()


async def test_differences_in_the_shadow_name_the_articles(owner, two, cells) -> None:
    agent = await two.store.people.create_agent("ann", "Ann")
    for number in range(40):
        inbound = Inbound("web", f"m{number}", "c", f"parcel {number}", two.services.clock())
        receipt = await two.services.pipeline.receive(inbound)
        await two.store.shadow.save(
            ShadowScore(
                receipt.message_id, "v2", "v1", (two.pay.id,), 0.9, (two.ship.id,), 0.8, 1.0
            )
        )
        record = VerdictRecord(
            receipt.message_id, two.ship.id, 1, Verdict.ACCEPTED, agent.id, 1.0, 0.5, None
        )
        await two.store.feedback.record([record])
    await owner.post("/admin/models/shadow", version="v2")
    page = await owner.get("/admin/models")
    assert say("shadow.verdict.better") in page
    assert "&gt; 1,000" in page
    [answers] = {tuple(cells(page, f"parcel {number}")) for number in (39, 30)}
    assert answers == ("Open Billing.", "Open Orders.", "Open Orders.")


async def test_canaries_keep_the_present_answer(owner, two, cells) -> None:
    await owner.post("/admin/models/canaries", status=400, question=" ")
    await owner.post("/admin/models/canaries", status=400, question="qqq zzz")
    location, _ = await owner.post("/admin/models/canaries", question="where is my parcel")
    page = await owner.get(location)
    assert cells(page, "where is my parcel")[0] == "Open Orders."
    [canary] = await two.store.canaries.all()
    assert (canary.answer_id, canary.actor) == (two.ship.id, "owner0")
    await owner.post("/admin/models/canaries/remove", status=400, id="x")
    await owner.post("/admin/models/canaries/remove", status=404, id="99")
    await owner.post("/admin/models/canaries/remove", id=str(canary.id))
    assert await two.store.canaries.all() == []
