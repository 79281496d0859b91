"""Random walks over everything that moves a message; each step, look at what always holds."""

import contextlib
import random

import pytest

from bot.domain import Author, ConversationState, Delivery
from bot.errors import Conflict, InvalidTransition
from bot.handover import Action
from bot.store import Reply

WITH_A_MESSAGE = {Action.CUSTOMER_WROTE, Action.BOT_ANSWERED}
LIVE = {Delivery.HELD, Delivery.QUEUED, Delivery.SENDING}


class Walk:
    """One conversation, moved at random."""

    def __init__(self, store, inbound, agent, clock, seed):
        self.store, self.inbound, self.agent, self.clock = store, inbound, agent, clock
        self.random = random.Random(seed)
        self.key = None
        self.sent = []  # outbox ids in the order in which they left

    async def step(self):
        self.clock.advance(self.random.random() * 3)
        moves = (
            self.write,
            self.answer,
            self.answer,
            self.undo,
            self.act,
            self.deliver,
            self.deliver,
        )
        # Refused is fine; that nothing has changed then, ``look`` sees.
        with contextlib.suppress(Conflict, InvalidTransition):
            await self.random.choice(moves)()

    async def write(self):
        [receipt] = await self.store.conversations.receive([self.inbound("?")])
        self.key = receipt.conversation_id

    async def answer(self):
        author = self.random.choice((Author.AGENT, Author.BOT, Author.SYSTEM))
        agent_id = self.agent.id if author is Author.AGENT else None
        hold = self.random.choice((0, 5)) if author is Author.AGENT else 0
        reply = Reply("!", author, agent_id, hold_s=hold, close=self.random.random() < 0.1)
        await self.store.conversations.reply(self.key, reply)

    async def undo(self):
        messages = await self.store.conversations.messages(self.key)
        outgoing = [message.id for message in messages if message.delivery is not None]
        if outgoing:
            await self.store.conversations.undo(self.random.choice(outgoing[-3:]), self.agent.id)

    async def act(self):
        action = self.random.choice([action for action in Action if action not in WITH_A_MESSAGE])
        await self.store.conversations.act(
            self.key, action, agent_id=self.agent.id, snoozed_until=self.clock() + 5
        )

    async def deliver(self):
        due = await self.store.outbox.due(self.clock(), 10)
        assert len(due) <= 1
        started = await self.store.outbox.start([row.id for row in due], self.clock())
        for row in started:
            if row.author is Author.BOT:
                state = (await self.store.conversations.get(self.key)).state
                assert state is ConversationState.BOT
            end = self.random.randrange(10)
            if end == 0:
                await self.store.outbox.fail(row.id, "network", False, self.clock() + 2)
            elif end == 1:
                await self.store.outbox.fail(row.id, "blocked", True)
            elif end == 2:
                assert await self.store.outbox.recover() == 1
            else:
                await self.store.outbox.finish(row.id, f"x{row.id}")
                self.sent.append(row.id)

    async def look(self):
        conversation = await self.store.conversations.get(self.key)
        messages = await self.store.conversations.messages(self.key, limit=10_000)
        assert self.sent == sorted(set(self.sent))
        shown = [
            message
            for message in messages
            if message.delivery is not Delivery.CANCELLED and message.author is not Author.SYSTEM
        ]
        assert conversation.last_text == shown[-1].text
        trouble = {Delivery.UNCERTAIN, Delivery.FAILED}
        assert conversation.uncertain == sum(message.delivery in trouble for message in messages)
        if conversation.state is ConversationState.CLOSED:
            assert conversation.assigned_agent_id in {None, self.agent.id}
        due_at = await self.store.outbox.next_due_at()
        assert (due_at is not None) == any(message.delivery in LIVE for message in messages)
        # Whoever wrote last and got no word from agent or bot is waiting, unless all was closed.
        answers = {Author.CUSTOMER, Author.AGENT, Author.BOT}
        talk = [message for message in shown if message.author in answers]
        if (
            talk[-1].author is Author.CUSTOMER
            and conversation.state is not ConversationState.CLOSED
        ):
            assert conversation.waiting_since is not None or await self.was_closed()
        return conversation.version

    async def was_closed(self):
        return any(
            event.action == "closed" for event in await self.store.conversations.events(self.key)
        )


@pytest.mark.parametrize("seed", range(6))
async def test_what_always_holds(store, inbound, agent, clock, seed):
    walk = Walk(store, inbound, agent, clock, seed)
    await walk.write()
    version = 0
    for _ in range(120):
        await walk.step()
        newer = await walk.look()
        assert newer >= version
        version = newer
    assert walk.sent
    assert (await store.check()).sound
