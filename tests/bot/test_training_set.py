"""Doubtful rows wait outside the training set until an admin decided, and only verdicts enter."""

import pytest

from bot.bus import Bus
from bot.domain import Inbound, Ticket, Verdict, VerdictRecord
from bot.errors import NotFound
from bot.items import tied_questions
from bot.learning.dataset import collect
from bot.learning.jobs import JobRunner
from bot.learning.training_set import TrainingSet
from bot.serving import Serving


@pytest.fixture
async def judge(store, clock):
    """``await judge(text, answer_id, login)``: an agent accepts the answer for that question."""
    agents = {}

    async def accept(text, answer_id, login="ann", verdict=Verdict.ACCEPTED):
        if login not in agents:
            agents[login] = (await store.people.create_agent(login)).id
        inbound = Inbound("web", f"m-{text}-{login}", f"c-{text}", text, clock())
        [receipt] = await store.conversations.receive([inbound])
        record = VerdictRecord(
            receipt.message_id, answer_id, 1, verdict, agents[login], clock(), 0.5, None
        )
        await store.feedback.record([record])
        return receipt.message_id

    return accept


@pytest.fixture
async def training_set(settings, store, clock):
    return TrainingSet(settings, store, Serving(settings, store, clock), clock)


@pytest.fixture
async def articles(store):
    pay = await store.knowledge.save(
        text="Open Billing.", category="Pay", questions=["How do I pay?"]
    )
    ship = await store.knowledge.save(
        text="Open Orders.", category="Ship", questions=["Where is my parcel?"]
    )
    return pay, ship


def texts(data):
    return {row.text for row in data.rows} | {row.text for row in data.questions}


async def test_a_conflict_waits_until_it_is_approved_and_never_enters_when_refused(
    store, training_set, judge, articles
):
    pay, _ = articles
    await judge("where is my parcel", pay.id)
    await judge("which card can I use", pay.id)
    assert "where is my parcel" in texts(await collect(store))
    overview = await training_set.examine()
    assert (overview.waiting, overview.origins["verdicts"]) == (1, 1)
    assert texts(await collect(store)) & {"where is my parcel", "which card can I use"} == {
        "which card can I use"
    }
    # It helps at once all the same, until somebody says that it is wrong.
    assert (pay.id, "where is my parcel") in await tied_questions(store)
    [review] = (await store.training.reviews({"state": "waiting"})).items
    assert review.reasons == ("conflict",)
    assert review.partner == "Where is my parcel? → Ship"
    batch, changed, number = await store.training.decide([review.id], "refused", "olga")
    assert (changed, number) == ((pay.id,), 1)
    await training_set.examine()
    assert "where is my parcel" not in texts(await collect(store))
    assert (pay.id, "where is my parcel") not in await tied_questions(store)
    await store.training.undo(batch)
    with pytest.raises(NotFound):
        await store.training.undo(batch)
    await store.training.decide({"reason": "conflict"}, "approved", "olga")
    await training_set.examine()
    assert "where is my parcel" in texts(await collect(store))
    with pytest.raises(NotFound):
        await store.training.decide({"reason": "conflict"}, "approved", "olga")


async def test_a_resolved_conflict_waits_no_more(store, training_set, judge, articles):
    pay, ship = articles
    await judge("where is my parcel", pay.id)
    assert (await training_set.examine()).waiting == 1
    await store.knowledge.remove(ship.id)
    assert (await training_set.examine()).waiting == 0
    assert await store.training.waiting() == 0


async def test_a_source_under_suspicion_teaches_nothing(store, training_set, judge, articles):
    pay, _ = articles
    await judge("which card can I use", pay.id, "eve")
    agent = (await store.people.agents())[0]
    await store.training.suspect(f"agent:{agent.id}", True, "olga")
    overview = await training_set.examine()
    assert overview.sources[0].suspicious
    assert "which card can I use" not in texts(await collect(store))
    assert (pay.id, "which card can I use") not in await tied_questions(store)
    await store.training.suspect(f"agent:{agent.id}", False, "olga")
    await training_set.examine()
    assert "which card can I use" in texts(await collect(store))


async def test_customers_text_needs_an_agents_verdict(store, training_set, judge, articles, clock):
    pay, _ = articles
    said = "something that only a customer said"
    await store.conversations.receive([Inbound("web", "x1", "c9", said, clock())])
    for verdict in (Verdict.REJECTED, Verdict.IGNORED):
        await judge(f"{said} {verdict}", pay.id, verdict=verdict)
    [receipt] = await store.conversations.receive(
        [Inbound("rest", "x2", "c8", f"{said} to a program", clock())]
    )
    program = VerdictRecord(
        receipt.message_id, pay.id, 1, Verdict.ACCEPTED, None, clock(), 0.5, None
    )
    await store.feedback.record([program])
    overview = await training_set.examine()
    assert overview.origins["verdicts"] == 0
    assert not [text for text in texts(await collect(store)) if text.startswith(said)]


async def test_counts_by_origin_and_category(store, training_set, judge, articles):
    pay, _ = articles
    await store.knowledge.import_tickets(
        [Ticket("refund of an order", "Pay", origin="june"), Ticket("no category at all", "")]
    )
    await judge("which card can I use", pay.id)
    overview = await training_set.examine()
    assert overview.origins == {"knowledge": 2, "tickets": 1, "verdicts": 1}
    assert overview.categories["Pay"] == {"knowledge": 1, "tickets": 1, "verdicts": 1}
    assert overview.unlabelled == 1
    assert {source.source for source in overview.sources} == {
        "agent:1", "import:june", "import:import",
    }  # fmt: skip


async def test_a_training_examines_first_and_remembers_whom_it_saw(
    settings, store, judge, articles, clock
):
    pay, _ = articles
    seen = await judge("which card can I use", pay.id)
    doubtful = await judge("where is my parcel", pay.id)
    runner = JobRunner(settings, store, Serving(settings, store, clock), Bus(), clock)
    job = await runner.train()
    assert (await runner.wait(job.id)).state == "failed"  # too little to learn from

    def uses(connection):
        return {tuple(row) for row in connection.execute("SELECT * FROM training_uses")}

    assert await store.db.read(uses) == {(job.id, seen), (job.id, doubtful)}
    assert await store.training.waiting() == 1


async def test_the_same_words_teach_three_times_at_most(store, training_set, judge, articles):
    pay, _ = articles
    for place in range(5):
        await judge("Which card can I use?" + " " * place, pay.id)
    data = await collect(store)
    assert sum(row.text.strip() == "Which card can I use?" for row in data.rows) == 3
    overview = await training_set.examine()
    assert (overview.origins["verdicts"], overview.repeats) == (3, 2)
