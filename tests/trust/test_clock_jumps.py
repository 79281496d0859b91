"""The machine's clock is set while people work: nothing is lost, repeated or held up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import msgspec
import pytest

from bot.app import Running, running
from bot.clock import SteadyClock, followed
from bot.domain import Author, Delivery, Role
from bot.handover import Action
from bot.settings import Settings
from bot.store import Reply

HOUR_S, DAY_S = 3600.0, 86_400.0
# Back an hour, on a day, back two days, on an hour (as daylight saving set by hand), small steps.
JUMPS = (-HOUR_S, DAY_S, -2 * DAY_S, HOUR_S, -60.0, 30.0)
HOLD_S = 0.3
PATIENCE_S = 20.0  # of a busy machine; the least step back would hold a reply for a minute


@dataclass
class Wall:
    """The clock of the machine, set by the test."""

    set_by_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.set_by_s


@dataclass
class Desk:
    """A server, an agent with a session, a visitor, and what each wrote in order."""

    server: Running
    agent: aiohttp.ClientSession
    visitor: aiohttp.ClientSession
    agent_id: int
    talk: str = ""
    talk_id: int = 0
    written: list[str] = field(default_factory=list)
    numbers: count = field(default_factory=count)

    async def say(self) -> None:
        text = f"question {next(self.numbers)}"
        body = {"id": f"message-{text[9:]}", "text": text}
        async with self.visitor.post("/chat/messages", json=body) as reply:
            assert reply.status == 201
            self.talk = (await reply.json())["conversation"]
        self.written.append(text)

    async def answer(self) -> int:
        """Outbox id of an agent's reply, held as for an undo."""
        conversations = self.server.services.store.conversations
        self.talk_id = self.talk_id or (await conversations.by_public_id(self.talk)).id
        text = f"answer {next(self.numbers)}"
        reply = Reply(text, Author.AGENT, self.agent_id, hold_s=HOLD_S)
        message = await conversations.reply(self.talk_id, reply)
        self.server.services.delivery.wake()
        self.written.append(text)
        return message.outbox_id or 0

    async def sent(self, outbox_id: int, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            outbox = self.server.services.store.outbox
            while (await outbox.get(outbox_id)).state is not Delivery.SENT:
                await asyncio.sleep(0.02)

    async def shown(self) -> list[str]:
        async with self.visitor.get(f"/chat/history?conversation={self.talk}") as reply:
            texts = [message["text"] for message in (await reply.json())["messages"]]
        return [text for text in texts if text.startswith(("question ", "answer "))]

    async def signed_in(self) -> bool:
        async with self.agent.get("/desk", allow_redirects=False) as reply:
            return reply.status == 200


@asynccontextmanager
async def desk(settings: Settings, wall: Wall) -> AsyncIterator[Desk]:
    clock = SteadyClock(wall)
    async with running(settings, clock=clock) as server:
        store = server.services.store
        agents = {agent.login: agent for agent in await store.people.agents()}
        agent = agents.get("ann") or await store.people.create_agent("ann", "Ann", Role.AGENT, "en")
        cookie = {"neurobot": await store.people.create_session(agent.id)}
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            followed(clock, server.services, every_s=0.1),
            aiohttp.ClientSession(server.url, cookies=cookie, cookie_jar=jar) as person,
            aiohttp.ClientSession(server.url) as visitor,
        ):
            async with visitor.post("/chat/visitors", json={}) as reply:
                token = (await reply.json())["token"]
            visitor.headers["Authorization"] = f"Bearer {token}"
            yield Desk(server, person, visitor, agent.id)


@pytest.fixture
def here(settings: Settings) -> Settings:
    http = msgspec.structs.replace(settings.http, port=0, requests_per_minute=1_000_000)
    return msgspec.structs.replace(settings, http=http)


async def test_six_jumps_of_the_clock_change_nothing_for_anybody(
    here, sized, record_property
) -> None:
    wall, jumps = Wall(), JUMPS[: sized(2, 6, 6)]
    slowest = 0.0
    async with desk(here, wall) as one:
        await one.say()
        link = await one.server.services.store.people.one_time_link(one.agent_id)
        for jump in jumps:
            await one.say()
            held = await one.answer()
            wall.set_by_s += jump
            began = time.monotonic()
            assert await one.signed_in()
            await one.sent(held, HOLD_S + PATIENCE_S)
            slowest = max(slowest, time.monotonic() - began)
            await one.say()
            await one.sent(await one.answer(), HOLD_S + PATIENCE_S)
            assert await one.signed_in()
            assert abs(one.server.services.clock() - wall()) < 1  # times shown are the machine's
        assert await one.shown() == one.written
        assert (await one.server.services.store.people.redeem(link)).id == one.agent_id
        assert (await one.server.services.store.check()).sound
    record_property(
        "figure", f"{len(jumps)} jumps, {len(one.written)} messages in order, the slowest reply "
        f"held for {HOLD_S} s left after {slowest:.1f} s"
    )  # fmt: skip


async def delivery_of(store, text):
    return next(m.delivery for m in await store.conversations.messages(1) if m.text == text)


async def test_a_clock_set_back_while_the_server_is_down_holds_nothing_up(here) -> None:
    wall = Wall()
    async with desk(here, wall) as one:
        await one.say()
        await one.answer()
    wall.set_by_s -= HOUR_S
    async with desk(here, wall) as other:
        store = other.server.services.store
        async with asyncio.timeout(HOLD_S + PATIENCE_S):
            while await delivery_of(store, one.written[-1]) is not Delivery.SENT:
                await asyncio.sleep(0.02)


async def test_a_snooze_keeps_the_hour_that_was_chosen(here) -> None:
    wall = Wall()
    async with desk(here, wall) as one:
        await one.say()
        await one.answer()
        services = one.server.services
        until = services.clock() + HOUR_S
        await services.store.conversations.act(one.talk_id, Action.SNOOZED, snoozed_until=until)
        wall.set_by_s += DAY_S
        async with asyncio.timeout(PATIENCE_S):
            while services.clock() < until:
                await asyncio.sleep(0.02)
        assert (await services.store.conversations.get(one.talk_id)).snoozed_until == until
