"""Training data, review, questions without an answer and customers, as an admin works with them."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from admin.cli import run
from bot.domain import Author, Inbound, Role, Verdict, VerdictRecord
from bot.learning.dataset import collect
from bot.store import Reply

PAGES = ("/admin/training-set", "/admin/review", "/admin/unanswered", "/admin/customers")
PARROT = (
    "Does the tablet survive a parrot biting it?",
    "will the tablet survive bites of a parrot",
    "my parrot bites the tablet, does it survive",
)


@pytest.fixture
async def desk(server):
    """Two articles, an agent, and helpers to let customers ask and agents judge."""
    services = server.services
    store = services.store

    class Desk:
        def __init__(self):
            self.number = 0

        async def ask(self, text, customer="c", channel="web"):
            self.number += 1
            inbound = Inbound(
                channel, f"m{self.number}", f"{customer}{self.number}", text, services.clock(),
                customer_name=f"{customer.title()} {self.number}",
            )  # fmt: skip
            receipt = await services.pipeline.receive(inbound)
            await services.pipeline.settled()
            return receipt

        async def judge(self, text, article, agent, verdict=Verdict.ACCEPTED):
            receipt = await self.ask(text)
            record = VerdictRecord(
                receipt.message_id, article.id, 1, verdict, agent.id, services.clock(), 0.5, None
            )
            await store.feedback.record([record])
            return receipt

    found = Desk()
    found.services, found.store = services, store
    found.agent = await store.people.create_agent("ann", "Ann")
    found.pay = await store.knowledge.save(
        text="Open Billing.", category="Pay", language="en", questions=["How do I pay?"]
    )
    found.ship = await store.knowledge.save(
        text="Open Orders.", category="Ship", language="en", questions=["Where is my parcel?"]
    )
    await services.serving.apply_articles([found.pay.id, found.ship.id])
    return found


async def test_pages_are_for_admins(enter, server) -> None:
    agent = await enter(Role.AGENT)
    for path in (*PAGES, "/admin/customers/x", "/admin/unanswered/1"):
        await agent.get(path, status=403)


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_pages_empty_and_filtered_to_nothing(owner, lang) -> None:
    for path in PAGES:
        text = await owner.get(path, lang=lang)
        # One next action, as a link that looks like a button.
        assert text.count('class="empty"') == 1
        assert re.search(r'class="empty".*?class="button primary" href="/', text, re.DOTALL)
    for path in ("/admin/review?reason=cap", "/admin/customers?query=zzz", "/admin/review?query=z"):
        text = await owner.get(path, lang=lang)
        assert text.count('class="empty"') == 1
    for path in ("/admin/review?state=refused", "/admin/review?state=approved"):
        assert (await owner.get(path, lang=lang)).count('class="empty"') == 1
    for path in ("/admin/review?state=other", "/admin/unanswered?language=de"):
        await owner.get(path, status=400)


async def rows_of(store):
    data = await collect(store)
    return {row.text for row in data.rows}


def ids(page: str) -> list[str]:
    return re.findall(r'name="row\.(\d+)"', page)


async def test_a_doubtful_row_is_reviewed_with_undo(owner, desk) -> None:
    await desk.judge("where is my parcel", desk.pay, desk.agent)
    page = await owner.get("/admin/review")
    assert "Where is my parcel? → Ship" in page
    [row] = ids(page)
    location, _ = await owner.post("/admin/review", decision=f"refused-{row}")
    assert "undo=" in location
    assert re.search(r'action="/admin/review/\d+/undo"', await owner.get(location))
    assert "where is my parcel" not in await rows_of(desk.store)
    assert ids(await owner.get("/admin/review")) == []
    assert ids(await owner.get("/admin/review?state=refused")) == [row]
    batch = re.search(r"undo=(\d+)", location)[1]
    await owner.post(f"/admin/review/{batch}/undo")
    await owner.post(f"/admin/review/{batch}/undo", status=404)
    assert ids(await owner.get("/admin/review")) == [row]
    await owner.post("/admin/review", decision=f"approved-{row}")
    assert "where is my parcel" in await rows_of(desk.store)
    log = await desk.store.people.audit_log()
    assert [(e.actor, e.action) for e in log.items][:2] == [
        ("owner0", "training.approved"), ("owner0", "training.undone"),
    ]  # fmt: skip
    [review] = (await desk.store.training.reviews({"state": "approved"})).items
    assert review.reviewer == "owner0"


async def test_many_rows_at_once_and_filters_that_stay(owner, desk) -> None:
    for text in ("where is my parcel", "where is my parcel?", "WHERE is my parcel!"):
        await desk.judge(text, desk.pay, desk.agent)
    page = await owner.get("/admin/review?reason=conflict&category=Pay")
    rows = ids(page)
    assert len(rows) == 3
    assert 'name="f.reason" value="conflict"' in page
    assert ids(await owner.get("/admin/review?reason=edited")) == []
    filters = {"f.reason": "conflict", "f.category": "Pay"}
    chosen = {f"row.{row}": "1" for row in rows[:2]}
    location, _ = await owner.post("/admin/review", decision="refused", **chosen, **filters)
    assert {"reason=conflict", "category=Pay"} <= set(re.split("[?&]", location))
    assert "p.n=2" in location
    location, _ = await owner.post("/admin/review", decision="approved-all", **filters)
    assert "p.n=1" in location
    location, _ = await owner.post("/admin/review", decision="approved")
    assert "nothing-chosen" in location
    await owner.post("/admin/review", decision="other", status=400)


async def test_training_set_shows_counts_conflicts_and_sources(owner, desk) -> None:
    await desk.judge("where is my parcel", desk.pay, desk.agent)
    await desk.judge("How do I pay??", desk.pay, desk.agent)
    page = await owner.get("/admin/training-set")
    assert "an agent&#39;s verdict" in page
    assert "from the knowledge base" in page
    assert "2 times" in page
    source = f"agent:{desk.agent.id}"
    location, _ = await owner.post("/admin/training-set/suspect", source=source, marked="1")
    assert "done=suspected" in location
    assert len(ids(await owner.get("/admin/review?reason=source"))) == 2
    assert "How do I pay??" not in desk.services.serving.past_questions()
    await owner.post("/admin/training-set/suspect", source=source, marked="0")
    assert ids(await owner.get("/admin/review?reason=source")) == []
    assert "How do I pay??" in desk.services.serving.past_questions()
    await owner.post("/admin/training-set/suspect", source="agent:99", marked="1", status=404)


async def unanswered(desk, texts, reply=""):
    for text in texts:
        receipt = await desk.ask(text)
        if reply:
            await desk.store.conversations.reply(
                receipt.conversation_id, Reply(reply, Author.AGENT, desk.agent.id)
            )


def groups(page: str) -> list[str]:
    return re.findall(r'id="group-(\d+)"', page)


async def first(desk, text: str) -> str:
    items = (await desk.services.pipeline.suggest(text)).items
    return items[0].text if items else ""


async def test_one_click_publishes_and_the_next_such_question_gets_it(owner, desk) -> None:
    await unanswered(desk, PARROT, "A case protects it from beaks.")
    page = await owner.get("/admin/unanswered")
    [group] = groups(page)
    assert "3 questions" in page
    assert "A case protects it from beaks." in page
    assert await first(desk, PARROT[1]) != "A case protects it from beaks."
    location, _ = await owner.post(f"/admin/unanswered/{group}/publish")
    assert "group-published" in location
    await owner.get(location)
    for text in PARROT:
        assert await first(desk, text) == "A case protects it from beaks."
    receipt = await desk.ask(PARROT[2], "later")
    stored, _ = await desk.store.conversations.suggestions(receipt.message_id)
    assert stored.items[0].text == "A case protects it from beaks."
    [article] = (await desk.store.knowledge.articles(query="beaks")).items
    assert set(article.questions) == set(PARROT)
    assert groups(await owner.get("/admin/unanswered")) in ([], ["2"])


async def test_a_draft_is_edited_before_it_is_published(owner, desk) -> None:
    await unanswered(desk, PARROT[:2])
    [group] = groups(await owner.get("/admin/unanswered"))
    location, _ = await owner.post(f"/admin/unanswered/{group}/publish")
    assert location == f"/admin/unanswered/{group}"
    assert PARROT[0] in await owner.get(location)
    form = {"title": "Beaks", "questions": PARROT[0], "category": "Pets", "language": "en"}
    _, page = await owner.post(f"/admin/unanswered/{group}", status=422, text=" ", **form)
    assert "Pets" in page
    await owner.post(f"/admin/unanswered/{group}", text="It does.", **form)
    [article] = (await desk.store.knowledge.articles(category="Pets")).items
    assert (article.title, article.questions) == ("Beaks", (PARROT[0],))
    await owner.post("/admin/unanswered/999", status=404, text="x")


async def test_groups_are_merged_dismissed_and_brought_back(owner, desk) -> None:
    await unanswered(desk, (PARROT[0], "бассейн абонемент сколько стоит"))
    one, other = groups(await owner.get("/admin/unanswered"))
    await owner.post(f"/admin/unanswered/{other}/merge", into=one)
    location, _ = await owner.post(f"/admin/unanswered/{other}/merge", into=one)
    assert "group-gone" in location
    await owner.post(f"/admin/unanswered/{one}/merge", into="x", status=400)
    assert groups(await owner.get("/admin/unanswered")) == [one]
    location, _ = await owner.post(f"/admin/unanswered/{one}/dismiss")
    assert groups(await owner.get("/admin/unanswered")) == []
    assert f"/admin/unanswered/{one}/reopen" in await owner.get(location)
    await unanswered(desk, PARROT[1:])
    assert groups(await owner.get("/admin/unanswered")) != [one]
    await owner.post(f"/admin/unanswered/{one}/reopen")
    assert one in groups(await owner.get("/admin/unanswered"))


async def test_what_was_published_of_an_erased_person_goes_with_them(owner, desk) -> None:
    await unanswered(desk, PARROT, "A case protects it from beaks.")
    [group] = groups(await owner.get("/admin/unanswered"))
    await owner.post(f"/admin/unanswered/{group}/publish")
    page = await owner.get("/admin/customers?query=C")
    person = re.findall(r'href="/admin/customers/([\w-]{22})"', page)[0]
    shown = await owner.get(f"/admin/customers/{person}")
    assert "cannot be undone" in shown
    assert "data-confirm=" in shown
    said = [m for m in PARROT if m in (await desk.store.erasing.trace(
        await desk.store.erasing.customer(person))).texts]  # fmt: skip
    location, page = await owner.post(f"/admin/customers/{person}/erase")
    assert "customer-erased" in location
    await owner.get(location)
    [article] = (await desk.store.knowledge.articles(query="beaks")).items
    assert set(article.questions) == set(PARROT) - set(said)
    raw = desk.services.settings.database_path.read_bytes()
    assert said
    assert said[0].encode() not in raw
    await owner.get(f"/admin/customers/{person}", status=404)


async def test_an_erasure_that_leaves_something_says_what(owner, desk, tmp_path) -> None:
    receipt = await desk.ask("a long tale about my own parrot and nobody else's")
    conversation = await desk.store.conversations.get(receipt.conversation_id)
    report = await desk.store.backup(tmp_path / "old.db")
    await desk.store.people.audit("olga", "backup.made", report.path, {})
    customer = await desk.store.conversations.customer(conversation.customer_id)
    _, page = await owner.post(f"/admin/customers/{customer.public_id}/erase", status=200)
    assert "old.db" in page
    assert "The customer is erased" in page


async def test_the_ledger_streams_to_admins_alone(server, desk, enter, owner) -> None:
    await desk.ask("Where is my parcel?")
    await desk.ask("How do I pay?")
    total = await desk.store.ledger.count()
    async with owner.session.get("/api/v1/ledger") as response:
        assert response.content_type == "application/x-ndjson"
        lines = (await response.text()).splitlines()
    assert len(lines) == total > 0
    async with owner.session.get(f"/api/v1/ledger?after={total - 1}") as response:
        assert len((await response.text()).splitlines()) == 1
    agent = await enter(Role.AGENT)
    async with agent.session.get("/api/v1/ledger") as response:
        assert response.status == 403
    async with aiohttp.ClientSession(server.url) as nobody, nobody.get("/api/v1/ledger") as answer:
        assert answer.status == 401


async def test_the_command_line_reaches_the_running_server(server, desk, tmp_path) -> None:
    await desk.ask("a long tale about my own parrot and nobody else's", "person")
    folder = server.services.settings.data_dir
    target = tmp_path / "ledger.jsonl"
    arguments = ["--data-dir", folder, "export", "ledger", str(target)]
    assert await asyncio.to_thread(run, arguments) == 0
    assert len(target.read_text().splitlines()) == await desk.store.ledger.count()
    arguments = ["--data-dir", folder, "erase", "web:person1", "--yes"]
    assert await asyncio.to_thread(run, arguments) == 0
    assert (await desk.store.conversations.search("parrot")).total == 0


async def test_a_model_that_learned_from_an_erased_person_says_so(owner, desk) -> None:
    receipt = await desk.judge("which card can my parrot use", desk.pay, desk.agent)
    job = await desk.store.jobs.create("train")
    await desk.store.training.note_use(job.id)
    await desk.store.models.add_bundle("v7", "nowhere", {})
    await desk.store.models.promote("v7")
    await desk.store.jobs.finish(job.id, "done", "", {"version": "v7"})
    for path in ("/admin/models", "/admin/training-set"):
        assert "was erased" not in await owner.get(path)
    talk = await desk.store.conversations.get(receipt.conversation_id)
    customer = await desk.store.conversations.customer(talk.customer_id)
    _, page = await owner.post(f"/admin/customers/{customer.public_id}/erase", status=200)
    assert "v7" in page
    assert "Train a new one" in await owner.get("/admin/models")
    assert "was erased" in await owner.get("/admin/training-set")
