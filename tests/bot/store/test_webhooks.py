"""What the triggers queue: in the transaction of what happened, for those who asked."""

from __future__ import annotations

import json

import pytest

from bot.domain import Author, Inbound, Verdict, VerdictRecord
from bot.errors import BadRequest, NotFound
from bot.handover import Action
from bot.store.records import Reply
from bot.store.webhook_outbox import Attempt
from bot.store.webhooks import EVENTS


async def queued(store, webhook: int) -> list[dict]:
    """Bodies in the order of their events."""
    found = (await store.webhooks.deliveries(webhook)).items
    return [json.loads(one.body) for one in reversed(found)]


async def names(store, webhook: int) -> list[str]:
    return [body["event"] for body in await queued(store, webhook)]


def inbound(clock, text: str = "Где счёт?") -> Inbound:
    return Inbound("web", f"m{clock.advance(1)}", "anna", text, clock(), language="ru")


async def test_a_conversation_tells_its_life(store, clock) -> None:
    webhook, _ = await store.webhooks.create("all", "https://a.example/", EVENTS)
    (receipt,) = await store.conversations.receive([inbound(clock, 'a "quoted" вопрос')])
    agent = await store.people.create_agent("olga")
    await store.conversations.act(receipt.conversation_id, Action.PERSON_WANTED)
    verdict = VerdictRecord(
        message_id=receipt.message_id, answer_id=7, rank=1, verdict=Verdict.ACCEPTED,
        agent_id=agent.id, created_at=clock(), confidence=0.9, model_version="m", edit_distance=0,
    )  # fmt: skip
    reply = Reply("Вот он.", Author.AGENT, agent.id, verdicts=(verdict,), close=True)
    message = await store.conversations.reply(receipt.conversation_id, reply)
    assert await names(store, webhook) == [
        "conversation.created", "message.created", "conversation.handed_over",
        "conversation.resolved", "verdict.given",
    ]  # fmt: skip
    rows = await store.outbox.due(clock(), 10)
    await store.outbox.start([rows[0].id], clock())
    await store.outbox.finish(rows[0].id, "x1")
    bodies = await queued(store, webhook)
    assert bodies[1]["data"]["text"] == 'a "quoted" вопрос'
    assert bodies[1]["data"]["conversation"] == receipt.conversation_public_id
    assert bodies[4]["data"]["verdict"] == "accepted"
    assert bodies[5]["data"] | {"text": "Вот он.", "author": "agent"} == bodies[5]["data"]
    assert bodies[5]["data"]["id"] == message.public_id
    assert len({body["id"] for body in bodies}) == len(bodies)


async def test_what_never_left_is_never_told(store, clock) -> None:
    webhook, _ = await store.webhooks.create("x", "https://a.example/", ["message.created"])
    (receipt,) = await store.conversations.receive([inbound(clock)])
    agent = await store.people.create_agent("olga")
    held = await store.conversations.reply(
        receipt.conversation_id, Reply("oops", Author.AGENT, agent.id, hold_s=5)
    )
    await store.conversations.undo(held.id, agent.id)
    await store.conversations.add_note(receipt.conversation_id, agent.id, "private")
    assert len(await queued(store, webhook)) == 1


async def test_only_what_was_asked_for_and_only_while_active(store, clock) -> None:
    webhook, _ = await store.webhooks.create("x", "https://a.example/", ["conversation.created"])
    other, _ = await store.webhooks.create("y", "https://b.example/", ["message.created"])
    await store.conversations.receive([inbound(clock)])
    assert await names(store, webhook) == ["conversation.created"]
    assert await names(store, other) == ["message.created"]
    await store.webhooks.pause(other, active=False)
    await store.conversations.receive([inbound(clock)])
    assert len(await names(store, other)) == 1


async def test_an_event_of_a_failed_write_is_not_told(store, clock) -> None:
    webhook, _ = await store.webhooks.create("x", "https://a.example/", ["message.created"])

    def fail(connection) -> None:
        connection.execute(
            """INSERT INTO customers (public_id, channel, external_id, name, language, created_at)
               VALUES ('c', 'web', 'c', '', '', 0)"""
        )
        connection.execute("UPDATE outbox SET nonsense = 1")

    with pytest.raises(Exception, match="nonsense"):
        await store.db.write(fail)
    assert await names(store, webhook) == []


async def test_articles_models_and_changed_verdicts(store, clock) -> None:
    (receipt,) = await store.conversations.receive([inbound(clock)])
    wanted = ["article.changed", "model.promoted", "verdict.given"]
    webhook, _ = await store.webhooks.create("x", "https://a.example/", wanted)
    article = await store.knowledge.save(text="A", questions=["q"])
    await store.models.add_bundle("m1", "/x", {})
    await store.models.promote("m1")
    await store.models.add_bundle("m2", "/x", {})
    await store.models.promote("m2")
    await store.models.rollback()
    row = VerdictRecord(
        message_id=receipt.message_id, answer_id=article.id, rank=1, verdict=Verdict.ACCEPTED,
        agent_id=None, created_at=clock(), confidence=0.9, model_version=None, edit_distance=0,
    )  # fmt: skip
    await store.feedback.record([row])
    await store.feedback.record([row])  # nothing new
    bodies = await queued(store, webhook)
    assert [body["event"] for body in bodies] == [
        "article.changed", "model.promoted", "model.promoted", "model.promoted", "verdict.given",
    ]  # fmt: skip
    assert [body["data"] for body in bodies[1:4]] == [
        {"version": "m1", "previous": None},
        {"version": "m2", "previous": "m1"},
        {"version": "m1", "previous": "m2"},
    ]


async def test_subscriptions_are_checked_changed_and_removed(store, clock) -> None:
    for events in ([], ["nonsense"]):
        with pytest.raises(BadRequest):
            await store.webhooks.create("x", "https://a.example/", events)
    webhook, secret = await store.webhooks.create("x", "https://a.example/", ["message.created"])
    await store.webhooks.change(webhook, "y", "https://b.example/", ["verdict.given"])
    await store.conversations.receive([inbound(clock)])
    await store.webhooks.test(webhook, "olga")
    (found,) = await store.webhooks.list()
    assert (found.name, found.url, found.events) == ("y", "https://b.example/", ("verdict.given",))
    assert found.counts == {"waiting": 1}
    assert secret not in repr(found)
    await store.webhooks.remove(webhook)
    for call in (
        store.webhooks.get(webhook),
        store.webhooks.remove(webhook),
        store.webhooks.test(webhook, ""),
        store.webhooks.pause(webhook, active=True),
        store.webhooks.renew_secret(webhook),
    ):
        with pytest.raises(NotFound):
            await call


async def test_deliveries_are_filtered_and_paged(store) -> None:
    webhook, _ = await store.webhooks.create("x", "https://a.example/", ["message.created"])
    for _ in range(5):
        await store.webhooks.test(webhook, "")
    page = await store.webhooks.deliveries(webhook, state="waiting", page=2, per_page=2)
    assert (page.total, len(page.items), page.pages) == (5, 2, 3)
    assert not (await store.webhooks.deliveries(webhook, state="dead")).items
    assert not (await store.webhooks.deliveries(webhook, event="verdict.given")).items


async def test_an_erased_customer_leaves_no_delivery(store, clock) -> None:
    webhook, _ = await store.webhooks.create("x", "https://a.example/", ["message.created"])
    for customer in ("anna", "boris"):
        message = Inbound("web", customer, customer, f"I am {customer}", clock(), language="en")
        await store.conversations.receive([message])
    parcels = await store.webhooks.begin(await store.webhooks.due(clock(), 10))
    for parcel in parcels:
        attempt = Attempt(clock(), 200, "", 5, parcel.body.decode())
        await store.webhooks.finish(parcel.id, attempt, retry_at=None)
    anna = await store.erasing.customer("web:anna")
    await store.erasing.erase(anna)
    assert [body["data"]["text"] for body in await queued(store, webhook)] == ["I am boris"]
    assert await store.erasing.look_for(["I am anna"]) == {}
