"""Customers who blocked the bot: noted with the failure, spared, and welcome again."""

import pytest

from bot.domain import Author, Delivery
from bot.store import Reply


@pytest.fixture
async def customer(store, conversation):
    """Gives the customer as stored now."""

    async def find():
        held = await store.conversations.get(conversation.conversation_id)
        return await store.conversations.customer(held.customer_id)

    return find


@pytest.fixture
async def send(store, conversation, agent):
    """Queues an answer and gives its message."""

    async def reply(text="answer"):
        wanted = Reply(text, Author.AGENT, agent.id)
        return await store.conversations.reply(conversation.conversation_id, wanted)

    return reply


async def fail(store, clock, message, reason="blocked", final=True):
    (row,) = await store.outbox.start([message.outbox_id], clock())
    await store.outbox.fail(row.id, reason, final, clock() + 1)


@pytest.mark.parametrize(
    ("reason", "final"), [("chat-not-found", True), ("network", False), ("blocked", False)]
)
async def test_other_failures_block_nobody(store, clock, customer, send, reason, final):
    await fail(store, clock, await send(), reason, final)
    assert not (await customer()).blocked


async def test_a_row_that_is_not_in_flight_blocks_nobody(store, customer, send):
    message = await send()
    await store.outbox.fail(message.outbox_id, "blocked", True)
    assert not (await customer()).blocked


async def test_a_blocked_customers_rows_fail_at_once(store, clock, customer, send):
    first, second = await send(), await send("more")
    await fail(store, clock, first)
    assert (await customer()).blocked
    assert await store.outbox.start([second.outbox_id], clock()) == []
    failed = await store.conversations.message(second.id)
    assert (failed.delivery, failed.delivery_error) == (Delivery.FAILED, "blocked")


async def test_writing_again_lifts_it(store, clock, inbound, customer, send):
    await fail(store, clock, await send())
    first = inbound("Я вернулся")
    await store.conversations.receive([first])
    assert not (await customer()).blocked
    await fail(store, clock, await send())
    await store.conversations.receive([first])  # delivered twice: no news
    assert (await customer()).blocked
    edit = inbound("Я здесь", edits_external_id=first.external_id)
    await store.conversations.receive([edit])
    assert not (await customer()).blocked


async def test_a_person_may_try_again(store, clock, customer, send):
    message = await send()
    await fail(store, clock, message)
    await store.outbox.resend(message.outbox_id)
    assert not (await customer()).blocked
    assert len(await store.outbox.start([message.outbox_id], clock())) == 1
    await store.outbox.fail(message.outbox_id, "blocked", True)
    assert (await customer()).blocked


async def test_giving_up_changes_nothing(store, clock, customer, send):
    message = await send()
    await fail(store, clock, message)
    await store.outbox.dismiss(message.outbox_id)
    assert (await customer()).blocked
