"""From a stored queue to a real receiver: signed, retried, given up, sent again."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from aiohttp import web

from bot.errors import Conflict, NotFound
from bot.webhooks import MAX_ATTEMPTS
from bot.webhooks.signing import HEADER, signature

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"
EVENTS = ["conversation.created", "message.created"]


def example() -> dict[str, object]:
    """What the document tells receivers to run."""
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec(code[1], names)
    return names


async def test_a_delivery_carries_what_the_document_checks(store, sender, receiver, ended, clock):
    webhook, secret = await store.webhooks.create("CRM", receiver.url, EVENTS)
    delivery = await store.webhooks.test(webhook, "olga")
    sender.wake()
    (got,) = await receiver.arrived(1)
    body = json.loads(got.body)
    assert body["event"] == "webhook.test"
    assert body["data"] == {"asked_by": "olga"}
    assert got.headers["X-Neurobot-Delivery"] == body["id"]
    genuine = example()["is_genuine"]
    late = clock.now - 1_000_000_000_000
    assert genuine(got.headers[HEADER], got.body, secret, abs(late))
    assert not genuine(got.headers[HEADER], got.body, "whsec_other", abs(late))
    assert not genuine(got.headers[HEADER], got.body + b" ", secret, abs(late))
    assert not genuine(signature([secret], 1_000_000_000, got.body), got.body, secret)
    found, tries = await ended(delivery, "delivered")
    assert (found.status, found.attempts, tries[0].response) == (200, 1, "ok")


def test_the_documents_vector_is_true() -> None:
    body = '{"event":"webhook.test","text":"Привет"}'.encode()
    vector = re.search(r"v1=([0-9a-f]{64})", DOCUMENT.read_text("utf-8"))
    assert vector
    assert signature(["whsec_test"], 1_700_000_000, body) == f"t=1700000000,v1={vector[1]}"


async def test_both_secrets_sign_for_a_day(store, sender, receiver, clock):
    webhook, former = await store.webhooks.create("x", receiver.url, EVENTS)
    secret = await store.webhooks.renew_secret(webhook)
    await store.webhooks.test(webhook, "")
    sender.wake()
    got = (await receiver.arrived(1))[0]
    genuine = example()["is_genuine"]
    assert genuine(got.headers[HEADER], got.body, secret, 1e12)
    assert genuine(got.headers[HEADER], got.body, former, 1e12)
    clock.advance(86_401)
    await store.webhooks.test(webhook, "")
    sender.wake()
    got = (await receiver.arrived(2))[1]
    assert not genuine(got.headers[HEADER], got.body, former, 1e12)


async def test_it_is_tried_again_later_and_later_under_one_id(
    store, sender, receiver, ended, clock
):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    receiver.answers += [web.Response(status=500), web.Response(status=302), web.Response()]
    delivery = await store.webhooks.test(webhook, "")
    waits = []
    for attempt in (1, 2):
        sender.wake()
        await receiver.arrived(attempt)
        found, _ = await ended(delivery, "waiting")
        waits.append(found.next_at - clock.now)
        clock.advance(waits[-1])
    assert waits == [5.0, 20.0]
    sender.wake()
    got = await receiver.arrived(3)
    _, tries = await ended(delivery, "delivered")
    assert [one.error for one in tries] == ["", "redirect", "status"]
    assert len({one.headers["X-Neurobot-Delivery"] for one in got}) == 1
    assert len({one.body for one in got}) == 1


async def test_too_many_failures_make_it_dead_and_a_replay_sends_it_again(
    store, sender, receiver, ended, clock
):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    receiver.answers += [web.Response(status=503) for _ in range(MAX_ATTEMPTS)]
    delivery = await store.webhooks.test(webhook, "")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        sender.wake()
        await receiver.arrived(attempt)
        found, _ = await ended(delivery, "waiting" if attempt < MAX_ATTEMPTS else "dead")
        clock.advance(86_400)
    assert found.attempts == MAX_ATTEMPTS
    assert (await store.webhooks.get(webhook)).counts == {"dead": 1}
    sender.wake()
    assert await store.webhooks.due(clock.now, 10) == []
    assert await store.webhooks.replay_dead(webhook) == 1
    sender.wake()
    await ended(delivery, "delivered")
    await store.webhooks.replay(delivery)
    sender.wake()
    await receiver.arrived(MAX_ATTEMPTS + 2)
    with pytest.raises(NotFound):
        await store.webhooks.replay(99)


async def test_gone_ends_it_at_once_and_retry_after_is_kept(store, sender, receiver, ended, clock):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    receiver.answers += [web.Response(status=410)]
    await ended(await store.webhooks.test(webhook, ""), "dead")
    receiver.answers += [web.Response(status=429, headers={"Retry-After": "77"})]
    delivery = await store.webhooks.test(webhook, "")
    sender.wake()
    await receiver.arrived(2)
    found, _ = await ended(delivery, "waiting")
    assert found.next_at == clock.now + 77
    with pytest.raises(Conflict):
        await store.webhooks.replay(delivery)


async def test_a_slow_receiver_holds_up_nobody_else(store, sender, receiver, ended):
    slow, _ = await store.webhooks.create("slow", receiver.url, EVENTS)
    other, _ = await store.webhooks.create("other", receiver.url, EVENTS)
    receiver.answers += [30.0] * 4
    for _ in range(20):
        await store.webhooks.test(slow, "")
    sender.wake()
    await receiver.arrived(4)
    await ended(await store.webhooks.test(other, ""), "delivered")


async def test_what_was_in_flight_at_a_crash_is_sent_again(store, new_sender, receiver, ended):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    receiver.answers += [30.0]
    first = new_sender()
    await first.start()
    delivery = await store.webhooks.test(webhook, "")
    first.wake()
    await receiver.arrived(1)
    for task in (*first._loop._tasks, *first._flying):  # a kill: nothing is written any more
        task.cancel()
    assert (await store.webhooks.delivery(delivery))[0].state == "sending"
    second = new_sender()
    await second.start()
    found, _ = await ended(delivery, "delivered")
    assert found.attempts == 2
    assert receiver.got[0].body == receiver.got[1].body
    await first.stop()
    await second.stop()


async def test_a_paused_webhook_keeps_what_waits(store, sender, receiver, ended):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    await store.webhooks.pause(webhook, active=False)
    delivery = await store.webhooks.test(webhook, "")
    sender.wake()
    await asyncio.sleep(0.05)
    assert not receiver.got
    await store.webhooks.pause(webhook, active=True)
    sender.wake()
    await ended(delivery, "delivered")


async def test_of_a_long_answer_the_beginning_is_kept(store, sender, receiver, ended):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    receiver.answers += [web.Response(body=b"\xff" + b"y" * 5_000_000)]
    _, tries = await ended(await store.webhooks.test(webhook, ""), "delivered")
    assert len(tries[0].response) == 2000


async def test_a_refused_connection_is_a_failure_of_the_network(store, sender, ended):
    webhook, _ = await store.webhooks.create("x", "http://127.0.0.1:1/", EVENTS)
    delivery = await store.webhooks.test(webhook, "")
    sender.wake()
    async with asyncio.timeout(10):
        while not (found := await store.webhooks.delivery(delivery))[1]:
            await asyncio.sleep(0.01)
    assert found[1][0].error == "network"


async def test_old_deliveries_are_forgotten(store, sender, ended, receiver, clock):
    webhook, _ = await store.webhooks.create("x", receiver.url, EVENTS)
    delivery = await store.webhooks.test(webhook, "")
    sender.wake()
    await ended(delivery, "delivered")
    assert await store.webhooks.prune(clock.now + 1) == 1
    with pytest.raises(NotFound):
        await store.webhooks.delivery(delivery)
