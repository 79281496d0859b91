"""Weeks of Telegram's bad days in a minute: every update acts once, in the order of its chat.

Updates come again, under their own number or as the same message under another, are edited, come
in another order of chats, while the network fails and the server is stopped, started and told to
take the other way in. What stands at the end is what a list kept beside says.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from admin.evaluate.fake_telegram import FakeTelegram, Fault
from bot.domain import Author

COUNT = {"full": 10_000, "short": 1_000}.get(os.environ.get("TRUST_PROFILE", ""), 150)
SEED = int(os.environ.get("TEST_SEED", "1"))
CHATS, BACKLOG, STAYS_S = 40, 80, 0.25
FAULTS = (
    Fault(502, "Bad Gateway"),
    Fault(0),
    Fault(0, accepted=True),  # confirmed, and the answer was lost
    Fault(429, "Too Many Requests: retry after 1", retry_after_s=1),
    Fault(502, "Gateway Timeout", hang_s=0.3),
)


@dataclass
class Customers:
    """People who write, and what of it has to stand where."""

    telegram: FakeTelegram
    rng: random.Random = field(default_factory=lambda: random.Random(SEED))
    chats: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    seen: list[dict[str, Any]] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)

    def act(self) -> None:
        """Send one update, of whatever kind."""
        what = self.rng.random()
        if what < 0.75 or not self.seen:
            chat = self.rng.randrange(1, CHATS + 1)
            text = f"question {self.did.total()}"
            update = self.telegram.write(chat, text)
            self.chats[chat][update["message"]["message_id"]] = text
            self.seen.append(update)
            self.did["new"] += 1
        elif what < 0.85:
            self.telegram.push(self.rng.choice(self.seen))
            self.did["again"] += 1
        elif what < 0.93:
            old = self.rng.choice(self.seen)
            self.telegram.push({"message": old["message"]})
            self.did["under another number"] += 1
        else:
            chat = self.rng.choice(list(self.chats))
            number = self.rng.choice(list(self.chats[chat]))
            text = f"edited {self.did.total()}"
            self.telegram.edit(chat, number, text)
            self.chats[chat][number] = text
            self.did["edited"] += 1

    async def live(self) -> None:
        """Send all there is to send, no faster than it is taken."""
        while self.did.total() < COUNT:
            if len(self.telegram.pending) > BACKLOG:
                await asyncio.sleep(0.005)
                continue
            for _ in range(self.rng.randrange(1, 12)):
                self.act()
            if self.telegram.webhook:  # polls come in the order of their numbers, pushes do not
                first = self.rng.sample(range(1, CHATS + 1), 20)
                self.telegram.shuffle(lambda update, first=first: _chat(update) not in first)
            await asyncio.sleep(0.001)


def _chat(update: dict[str, Any]) -> int:
    return int((update.get("message") or update["edited_message"])["chat"]["id"])


@pytest.mark.timeout(1200)
async def test_whatever_happens_each_update_acts_once_and_in_order(
    open_line, telegram, monkeypatch, record_property
) -> None:
    monkeypatch.setattr("bot.channels.telegram._FIRST_PAUSE_S", 0.02)
    customers, starts, rng = Customers(telegram), 0, random.Random(SEED)
    living = asyncio.create_task(customers.live())
    while not living.done():
        async with open_line(("polling", "webhook")[starts % 2]):
            starts += 1
            telegram.faults["getUpdates"] += [None, rng.choice(FAULTS)]
            await asyncio.sleep(rng.uniform(0.2, 2) * STAYS_S * (1 + COUNT / 1_000))
    await living
    async with open_line("polling") as line:
        await telegram.until(lambda: not telegram.pending, timeout_s=120)
        await line.pipeline.settled()
        for chat, texts in customers.chats.items():
            customer = await line.store.conversations.find_customer("telegram", str(chat))
            [talk] = await line.store.conversations.previous(customer.id, None)
            stored = await line.store.conversations.messages(talk.id, limit=100_000)
            said = [one.text for one in stored if one.author is Author.CUSTOMER]
            assert said == list(texts.values()), chat
            assert len(telegram.texts(chat)) <= 1  # what the bot says at first, never twice
    did = ", ".join(f"{count:,} {kind}" for kind, count in customers.did.items())
    record_property("figure", f"{did}; {starts} starts: 0 lost, 0 twice, in order")
