"""Questions without an answer: grouped, named, answered once and for all."""

import pytest

from bot.domain import (
    Author,
    Decision,
    Inbound,
    Reasons,
    Suggestion,
    Suggestions,
    Verdict,
    VerdictRecord,
)
from bot.errors import Conflict, NotFound
from bot.learning.unanswered import card, cards, publish, refresh
from bot.store import Reply

PARROT = (
    "Does the tablet survive a parrot biting it?",
    "will the tablet survive bites of a parrot",
    "my parrot bites the tablet, does it survive",
)
PASS = ("Сколько стоит годовой абонемент в бассейн?", "годовой абонемент в бассейн сколько стоит")


def found(*sure):
    items = tuple(
        Suggestion(90 + i, f"Text {i}", "", "", "en", 0.9 if s else 0.1, s, Reasons())
        for i, s in enumerate(sure)
    )
    return Suggestions((), items, False, "en", "v1", 1, False, 1.0)


@pytest.fixture
def ask(store, clock):
    """``await ask(text)``: a question that no suggestion answers; ``reply`` is an agent's."""
    numbers = iter(range(1, 10_000))

    async def put(text, *, sure=(False,), reply="", verdicts=(), decision=Decision.HANDOFF):
        number = next(numbers)
        inbound = Inbound("web", f"m{number}", f"c{number}", text, clock() + number)
        [receipt] = await store.conversations.receive([inbound])
        await store.conversations.save_suggestions(receipt.message_id, found(*sure), decision)
        known = await store.people.by_login("ann")
        agent = known[0] if known else await store.people.create_agent("ann")
        records = [
            VerdictRecord(receipt.message_id, 90 + i, i + 1, v, agent.id, clock(), 0.5, "v1")
            for i, v in enumerate(verdicts)
        ]
        if records:
            await store.feedback.record(records)
        if reply:
            await store.conversations.reply(
                receipt.conversation_id, Reply(reply, Author.AGENT, agent.id)
            )
        return receipt

    return put


async def listed(store, clock):
    await refresh(store, clock() + 100)
    return await cards(store)


async def test_alike_questions_make_a_card_with_terms_examples_and_the_best_reply(
    store, clock, ask
):
    for text, reply in zip(
        PARROT, ("A case protects it.", "A case protects it from beaks.", "Ask the vet."),
        strict=True,
    ):  # fmt: skip
        await ask(text, reply=reply)
    for text in PASS:
        await ask(text)
    await ask("thanks")
    first, second = await listed(store, clock)
    assert (first.size, second.size) == (3, 2)
    assert {"parrot", "tablet"} <= set(first.terms)
    assert "абонемент" in second.terms
    assert set(first.examples) <= set(PARROT)
    assert first.draft.startswith("A case protects it")
    assert (first.replies, second.draft) == (3, "")


@pytest.mark.parametrize(
    ("sure", "verdicts", "decision", "taken"),
    [
        ((False, False), (), Decision.SUGGEST, True),
        ((), (), Decision.HANDOFF, True),
        ((True,), (), Decision.SUGGEST, False),
        ((True, True), (Verdict.REJECTED, Verdict.REJECTED), Decision.SUGGEST, True),
        ((True, True), (Verdict.REJECTED,), Decision.SUGGEST, False),
        ((True,), (Verdict.IGNORED,), Decision.SUGGEST, True),
        ((False,), (Verdict.ACCEPTED,), Decision.SUGGEST, False),
        ((True, False), (Verdict.EDITED, Verdict.IGNORED), Decision.SUGGEST, False),
        ((False,), (), Decision.ANSWER, False),
    ],
)
async def test_what_counts_as_unanswered(store, clock, ask, sure, verdicts, decision, taken):
    await ask("where did the parrot go today", sure=sure, verdicts=verdicts, decision=decision)
    assert bool(await listed(store, clock)) is taken


async def test_a_dismissed_group_stays_dismissed_and_swallows_the_like(store, clock, ask):
    await ask(PARROT[0])
    [shown] = await listed(store, clock)
    await store.unanswered.settle(shown.id, "dismissed")
    await ask(PARROT[1])
    assert await listed(store, clock) == []
    await store.unanswered.settle(shown.id, "open")
    assert [c.size for c in await listed(store, clock)] == [2]


async def test_merged_groups_stay_merged(store, clock, ask):
    await ask(PARROT[0])
    await ask(PASS[0])
    first, second = await listed(store, clock)
    await store.unanswered.merge(second.id, first.id)
    [merged] = await listed(store, clock)
    assert (merged.id, merged.size) == (first.id, 2)
    with pytest.raises(Conflict):
        await store.unanswered.merge(second.id, first.id)
    with pytest.raises(Conflict):
        await store.unanswered.merge(first.id, first.id)
    with pytest.raises(NotFound):
        await card(store, second.id)


async def test_a_text_that_is_an_article_already_gains_the_questions(server):
    store = server.services.store
    known = await store.knowledge.save(text="A case protects it.", questions=["Is there a case?"])
    [receipt] = await store.conversations.receive(
        [Inbound("memory", "m1", "c1", PARROT[0], server.services.clock())]
    )
    await store.conversations.save_suggestions(receipt.message_id, found(), Decision.HANDOFF)
    await refresh(store, server.services.clock())
    [shown] = await cards(store)
    services = server.services
    article = await publish(
        store, services.serving, services.bus, shown.id, text="A case  protects it.", title="x",
        questions=list(PARROT), category="", language="en", actor="olga",
    )  # fmt: skip
    assert article.id == known.id
    assert article.questions == ("Is there a case?", *PARROT)
    assert await cards(store) == []
