"""Messages on their way out: once, in order, and honest about what is not known."""

import asyncio

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.domain import Author, ConversationState, Inbound
from bot.domain import Delivery as State
from bot.errors import InvalidTransition, StorageUnavailable
from bot.handover import Action
from bot.ports import SendFailed
from bot.settings import Settings
from bot.store import Reply, Store


@pytest.fixture
async def agent(talk):
    return await talk.store.people.create_agent("olga", "Olga")


async def answer(talk, agent, receipt, text="Hello", **more):
    message = await talk.store.conversations.reply(
        receipt.conversation_id, Reply(text=text, author=Author.AGENT, agent_id=agent.id, **more)
    )
    talk.delivery.wake()
    return message


async def received(talk, customer="anna", channel="memory"):
    """A stored message that the pipeline does not see."""
    inbound = Inbound(channel, f"{customer}:1", customer, "hello", talk.clock())
    (receipt,) = await talk.store.conversations.receive([inbound])
    return receipt


async def delivery_of(talk, message):
    return (await talk.store.conversations.message(message.id)).delivery


async def test_a_final_failure_is_shown_with_its_reason_and_not_repeated(talk, agent):
    talk.channel.script.append(SendFailed("blocked", final=True))
    receipt = await received(talk)
    message = await answer(talk, agent, receipt)
    await talk.quiet()
    stored = await talk.store.conversations.message(message.id)
    assert (stored.delivery, stored.delivery_error) == (State.FAILED, "blocked")
    assert talk.heard() == []


async def test_a_block_spares_the_channel_until_the_customer_writes(talk, agent):
    talk.channel.script.append(SendFailed("blocked", final=True))
    receipt = await received(talk)
    await answer(talk, agent, receipt)
    await talk.quiet()
    news = talk.bus.subscribe({"desk"})
    spared = await answer(talk, agent, receipt, "more")
    await talk.quiet()
    assert len(talk.channel.tried) == 1
    news.close()
    said = [event.data async for event in news if event.name == "delivery.changed"]
    assert [(data["message_id"], data["delivery"], data["error"]) for data in said] == [
        (spared.id, "failed", "blocked")
    ]
    await talk.store.conversations.receive(
        [Inbound("memory", "anna:2", "anna", "hello again", talk.clock())]
    )
    await answer(talk, agent, receipt, "welcome back")
    await talk.quiet()
    assert talk.heard() == ["welcome back"]


async def test_what_may_have_arrived_is_uncertain_and_not_repeated(talk, agent, clock):
    talk.channel.script += [SendFailed("no-answer", uncertain=True), RuntimeError("bug")]
    receipt = await received(talk)
    first = await answer(talk, agent, receipt)
    await talk.quiet()
    second = await answer(talk, agent, receipt)
    await talk.quiet()
    clock.advance(100_000)
    await talk.quiet()
    assert await delivery_of(talk, first) is State.UNCERTAIN
    assert await delivery_of(talk, second) is State.UNCERTAIN
    assert talk.heard() == []


async def test_a_pause_that_the_channel_asks_for_is_kept(talk, agent, clock):
    talk.channel.script.append(SendFailed("too-many-requests", retry_after_s=30))
    receipt = await received(talk)
    message = await answer(talk, agent, receipt)
    await talk.quiet()
    clock.advance(29)
    await talk.quiet()
    assert await delivery_of(talk, message) is State.QUEUED
    clock.advance(2)
    await talk.quiet()
    assert await delivery_of(talk, message) is State.SENT


async def test_a_channel_that_is_down_is_tried_with_growing_pauses_and_given_up(talk, agent, clock):
    talk.channel.script += [SendFailed("network")] * 50
    message = await answer(talk, agent, await received(talk))
    pauses = []
    for _ in range(40):
        await talk.quiet()
        due_at = await talk.store.outbox.next_due_at()
        if due_at is None:
            break
        pauses.append(due_at - clock())
        clock.advance(due_at - clock())
    assert pauses[:4] == pytest.approx([2, 4, 8, 16])
    assert max(pauses) == 300
    assert await delivery_of(talk, message) is State.FAILED
    assert len(talk.channel.tried) == 20


async def test_a_channel_that_is_not_there_keeps_the_message(talk, agent):
    message = await answer(talk, agent, await received(talk, channel="elsewhere"))
    await talk.quiet()
    assert await delivery_of(talk, message) is State.QUEUED


async def test_a_full_disk_after_sending_repeats_the_mark_not_the_message(talk, agent, monkeypatch):
    finish = talk.store.outbox.finish_together
    failures = iter([True])

    async def once_full(*args):
        if next(failures, False):
            raise StorageUnavailable
        await finish(*args)

    monkeypatch.setattr(talk.store.outbox, "finish_together", once_full)
    message = await answer(talk, agent, await received(talk))
    await talk.quiet()
    assert await delivery_of(talk, message) is State.SENT
    assert len(talk.channel.tried) == 1


async def test_a_crash_in_flight_is_uncertain_or_repeated_by_what_the_channel_can(talk, agent):
    talk.channel.gate.clear()
    talk.exact.gate.clear()
    lost = await answer(talk, agent, await received(talk))
    again = await answer(talk, agent, await received(talk, channel="exact"))
    async with asyncio.timeout(5):
        while not (talk.channel.tried and talk.exact.tried):
            await asyncio.sleep(0.005)
    for task in list(talk.delivery._sending.values()):  # as a kill would
        task.cancel()
    talk.channel.gate.set()
    talk.exact.gate.set()
    await talk.stop()
    talk.renew()
    await talk.start()
    await talk.quiet()
    assert await delivery_of(talk, lost) is State.UNCERTAIN
    assert await delivery_of(talk, again) is State.SENT
    assert len(talk.channel.tried) == 1


async def test_stopping_waits_for_what_is_in_flight(talk, agent):
    talk.channel.gate.clear()
    message = await answer(talk, agent, await received(talk))
    async with asyncio.timeout(5):
        while not talk.channel.tried:
            await asyncio.sleep(0.005)
    stopping = asyncio.create_task(talk.delivery.stop())
    await asyncio.sleep(0.02)
    talk.channel.gate.set()
    await stopping
    assert await delivery_of(talk, message) is State.SENT


async def test_each_conversation_keeps_its_order_while_others_go_on(talk, agent):
    slow, quick = await received(talk, "slow"), await received(talk, "quick")
    talk.channel.script.append(SendFailed("too-many-requests", retry_after_s=60))
    await answer(talk, agent, slow, "one")
    await talk.quiet()
    await answer(talk, agent, slow, "two")
    for text in ("a", "b", "c"):
        await answer(talk, agent, quick, text)
    await talk.quiet()
    assert talk.heard("quick") == ["a", "b", "c"]
    assert talk.heard("slow") == []
    talk.clock.advance(61)
    await talk.quiet()
    assert talk.heard("slow") == ["one", "two"]


async def test_at_most_eight_leave_at_once(talk, agent):
    talk.channel.gate.clear()
    for number in range(20):
        await answer(talk, agent, await received(talk, f"c{number}"))
    await asyncio.sleep(0.1)
    assert len(talk.channel.tried) == 8
    talk.channel.gate.set()
    await talk.quiet()
    assert len(talk.channel.sent) == 20


async def test_an_undone_reply_never_leaves(talk, agent, clock):
    message = await answer(talk, agent, await received(talk), hold_s=5)
    await talk.quiet()
    assert talk.heard() == []
    await talk.store.conversations.undo(message.id, agent.id)
    clock.advance(6)
    await talk.quiet()
    assert talk.heard() == []


async def test_the_bot_is_silenced_by_a_person_even_at_the_last_moment(talk, agent):
    receipt = await received(talk)
    reply = Reply(text="automatic", author=Author.BOT, hold_s=5)
    message = await talk.store.conversations.reply(receipt.conversation_id, reply)
    await talk.store.conversations.act(
        receipt.conversation_id, Action.AGENT_TOOK, agent_id=agent.id
    )
    talk.clock.advance(6)
    await talk.quiet()
    assert await delivery_of(talk, message) is State.CANCELLED
    assert talk.heard() == []


async def test_news_go_to_the_desk_and_to_the_conversation(talk, agent):
    receipt = await received(talk)
    topics = {"desk", f"conversation:{receipt.conversation_public_id}"}
    news = talk.bus.subscribe(topics)
    message = await answer(talk, agent, receipt)
    await talk.quiet()
    news.close()
    found = [event async for event in news if event.name == "delivery.changed"]
    assert {event.topic for event in found} == topics
    assert all(event.data["delivery"] == "sent" for event in found)
    assert all(event.data["message_id"] == message.id for event in found)


class HandOver(RuleBasedStateMachine):
    """Customers write, people take and return, answers stall; the bot respects people."""

    path = None
    loop = None
    number = 0
    runs = 0

    def __init__(self):
        super().__init__()
        HandOver.runs += 1
        self.path.channel.gate.set()
        self.customer = f"h{HandOver.runs}"
        self.receipt = self._do(self.path.say(self.question, self.customer))
        self.silent_from = None
        self._do(self.path.quiet())

    question = "How do I change the delivery address of my order?"

    def _do(self, work):
        return self.loop.run_until_complete(work)

    def _bot_rows(self):
        sent = self.path.channel.sent
        return sum(r.recipient == self.customer and r.author is Author.BOT for r in sent)

    def _act(self, action):
        conversation = self.path.store.conversations.act(self.receipt.conversation_id, action)
        try:
            self._do(conversation)
        except InvalidTransition:
            return
        self._note()

    def _note(self):
        state = self._do(self.path.state(self.receipt))
        if state is ConversationState.BOT:
            self.silent_from = None
        elif self.silent_from is None:
            # A send already at the gate counts as said; everything after must be silence.
            self.silent_from = self._bot_rows() + self.at_the_gate()

    def at_the_gate(self):
        channel = self.path.channel
        tried = sum(r.recipient == self.customer and r.author is Author.BOT for r in channel.tried)
        return tried - self._bot_rows()

    @rule(quiet=st.booleans())
    def writes(self, quiet):
        self._do(self.path.say(self.question, self.customer))
        if quiet and self.path.channel.gate.is_set():
            self._do(self.path.quiet())
        self._note()

    @rule(action=st.sampled_from([Action.AGENT_TOOK, Action.PERSON_WANTED, Action.CLOSED]))
    def person_acts(self, action):
        self._act(action)

    @rule()
    def returned(self):
        self._act(Action.RETURNED_TO_BOT)

    @rule()
    def restarted(self):
        self.path.channel.gate.set()
        self._do(self.path.stop())
        self.path.renew()
        self._do(self.path.start())
        self._note()

    @rule(is_open=st.booleans())
    def gate(self, is_open):
        (self.path.channel.gate.set if is_open else self.path.channel.gate.clear)()

    @invariant()
    def the_bot_is_silent_after_a_person(self):
        self._do(asyncio.sleep(0.002))
        state = self._do(self.path.state(self.receipt))
        if state is ConversationState.BOT:
            self.silent_from = None
        elif self.silent_from is not None:
            assert self._bot_rows() <= self.silent_from

    def teardown(self):
        self.path.channel.gate.set()
        self._do(self.path.quiet())
        self.the_bot_is_silent_after_a_person()


def test_the_bot_never_speaks_after_a_person_took_over(settings_and_store):
    loop, path = settings_and_store
    HandOver.loop, HandOver.path = loop, path
    run_state_machine_as_test(
        HandOver,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert any(row.author is Author.BOT for row in path.channel.sent), "the bot never spoke at all"


@pytest.fixture
def settings_and_store(tmp_path, clock, new_talk):
    """A path of messages in a loop of its own, since the machine is not a coroutine."""
    given = Settings(data_dir=str(tmp_path / "data"))
    answers = msgspec.structs.replace(given.answers, burst_quiet_s=0.005)
    given = msgspec.structs.replace(given, answers=answers)
    loop = asyncio.new_event_loop()

    async def make():
        path = new_talk(given, Store.open(given, clock), clock)
        await path.start()
        await path.teach("Open the order.", HandOver.question, "delivery", language="en")
        await path.store.knowledge.set_category("delivery", True, 0.5)
        return path

    path = loop.run_until_complete(make())
    yield loop, path
    loop.run_until_complete(path.stop())
    loop.run_until_complete(path.store.close())
    loop.close()
