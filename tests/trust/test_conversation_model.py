"""A conversation in the store does what a small model of it says, whatever comes in which order.

The model is written from what people are told, not from the table of transitions: who may speak,
who holds it, whether the customer waits, what becomes of each message on its way out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, given, strategies
from hypothesis import settings as examples

from bot.domain import Author, Inbound
from bot.errors import Conflict
from bot.handover import Action
from bot.settings import Settings, StoreSettings
from bot.store import Reply, Store


class Clock:
    """Moves when told to."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Refused(Exception):
    """The model does not allow it."""


@dataclass
class Row:
    """A message on its way out, and what stood before it."""

    author: str
    place: int
    status: str
    before: tuple[str, str | None, bool]
    changes: int = 0


@dataclass
class Model:
    """What a conversation is, in as few words as it takes."""

    state: str = "bot"
    holder: str | None = None
    waits: bool = False
    changes: int = 0
    lines: list[str] = field(default_factory=list)  # who wrote, in order
    rows: list[Row] = field(default_factory=list)
    closings: list[int] = field(default_factory=list)  # how many lines there were

    def customer_writes(self) -> None:
        if self.state == "closed":
            self.holder = None
        self.state = {"snoozed": "open", "closed": "bot"}.get(self.state, self.state)
        self.waits = True
        self.lines.append("customer")

    def person_wanted(self) -> None:
        self.waits = True
        self.state = self.state if self.state == "taken" else "open"

    def taken(self, agent: str) -> None:
        self.state, self.holder = "taken", agent

    def returned(self) -> None:
        self._only("open", "taken", "snoozed")
        self.state, self.holder = "bot", None

    def snoozed(self) -> None:
        self._only("bot", "open", "taken", "snoozed")
        self.state = "snoozed"

    def woke(self) -> None:
        self._only("snoozed")
        self.state = "open"

    def closed(self) -> None:
        self._only("bot", "open", "taken", "snoozed")
        self.state, self.waits = "closed", False
        self.closings.append(len(self.lines))

    def reopened(self) -> None:
        self._only("closed")
        self.state = "open"

    def answered(self, author: str, agent: str, *, held: bool, close: bool) -> None:
        if author == "bot":
            self._only("bot")
        if author == "system" and close:
            self._only("bot", "open", "taken", "snoozed")
        before = (self.state, self.holder, self.waits)
        self.lines.append(author)
        if author == "agent":
            self.taken(self.holder or agent)
        if author != "system":
            self.waits = False
        if close:
            self.closed()
        status = "held" if held else "queued"
        self.rows.append(Row(author, len(self.lines), status, before, self.changes + 1))

    def undone(self, row: Row) -> None:
        if row.status != "cancelled":
            if row.status != "held":
                raise Refused
            self._cancel(row)

    def started(self, row: Row) -> None:
        if row.status in {"held", "queued"}:
            if row.author == "bot" and self.state != "bot":
                self._cancel(row)
            else:
                row.status = "sending"

    def _cancel(self, row: Row) -> None:
        """As if it had not been written; who waited waits again."""
        row.status = "cancelled"
        if row.changes == self.changes:  # nothing happened since: all is as before
            self.state, self.holder = row.before[:2]
        live = [r.place for r in self.rows if r.author != "system" and r.status != "cancelled"]
        closings = [at for at in self.closings if at < row.place]
        since = max(live + closings, default=0)
        if self.state != "closed":
            later = any(place > row.place for place in live)
            self.waits |= "customer" in self.lines[since:] or (row.before[2] and not later)

    def _only(self, *states: str) -> None:
        if self.state not in states:
            raise Refused


ACTIONS = {
    "person_wanted": Action.PERSON_WANTED,
    "returned": Action.RETURNED_TO_BOT,
    "snoozed": Action.SNOOZED,
    "woke": Action.WOKE,
    "closed": Action.CLOSED,
    "reopened": Action.REOPENED,
}
MOVES = strategies.one_of(
    strategies.tuples(strategies.sampled_from(["write", "write", *ACTIONS])),
    strategies.tuples(strategies.sampled_from(["take", "assign"]), strategies.sampled_from("ab")),
    strategies.tuples(
        strategies.just("answer"), strategies.sampled_from(["agent", "bot", "system"]),
        strategies.sampled_from("ab"), strategies.booleans(), strategies.integers(0, 5),
    ),
    strategies.tuples(
        strategies.sampled_from(["undo", "start", "finish", "fail", "try again"]),
        strategies.integers(0, 3),
    ),
    strategies.tuples(strategies.sampled_from(["crash", "stale"])),
)  # fmt: skip


class Both:
    """A conversation of the store and its model, moved together."""

    def __init__(self, store: Store, clock, agents: dict[str, int], customer: str) -> None:
        self.store, self.clock, self.agents, self.customer = store, clock, agents, customer
        self.model, self.key, self.ids = Model(), 0, []  # outbox id and message id of each row

    async def move(self, move: tuple) -> None:
        """The same in both: done, or refused by both."""
        self.clock.now += 10  # whatever was held is due
        name, *rest = move
        done = getattr(self, f"_{name.replace(' ', '_')}", None)
        change = done(*rest) if done else self._act(name)
        try:
            await change
        except Conflict:
            with pytest.raises(Refused):
                self._mirror(move)
        else:
            self._mirror(move)
        await self._look(move)

    def _mirror(self, move: tuple) -> None:
        name, *rest = move
        model = self.model
        before = (model.state, model.holder, model.waits, [row.status for row in model.rows])
        if name == "write":
            model.customer_writes()
        elif name == "answer":
            author, agent, held, close = rest
            model.answered(author, agent, held=held, close=close == 0)
        elif name in {"take", "assign"}:
            if name == "take" or model.state in {"bot", "open", "taken"}:
                model.taken(rest[0])
            model.holder = rest[0]
        elif name == "stale":
            raise Refused
        elif name == "crash":
            for row in model.rows:
                row.status = "uncertain" if row.status == "sending" else row.status
            return
        elif name in ACTIONS:
            getattr(model, name)()
        elif row := self._row(rest[0]):
            self._on_its_way(name, row)
            after = (model.state, model.holder, model.waits, [row.status for row in model.rows])
            if before == after or row.status != "cancelled":
                return
        else:
            return
        model.changes += 1

    def _on_its_way(self, name: str, row: Row) -> None:
        if name == "undo":
            self.model.undone(row)
        elif name == "start":
            self.model.started(row)
        elif name == "try again":
            if row.status not in {"uncertain", "failed"}:
                raise Refused
            row.status = "queued"
        elif row.status == "sending" or (name == "finish" and row.status == "uncertain"):
            row.status = "sent" if name == "finish" else "failed"

    def _row(self, back: int) -> Row | None:
        return self.model.rows[-1 - back] if back < len(self.model.rows) else None

    def _id(self, back: int) -> tuple[int, int]:
        return self.ids[-1 - back] if back < len(self.ids) else (0, 0)

    async def _write(self) -> None:
        number = f"{self.customer}-{len(self.model.lines)}"
        inbound = Inbound("memory", number, self.customer, "?", self.clock())
        [receipt] = await self.store.conversations.receive([inbound])
        self.key = receipt.conversation_id

    async def _answer(self, author: str, agent: str, held: bool, close: int) -> None:
        said = Author(author)
        who = self.agents[agent] if said is Author.AGENT else None
        reply = Reply("!", said, who, hold_s=5.0 if held else 0.0, close=close == 0)
        message = await self.store.conversations.reply(self.key, reply)
        self.ids.append((message.outbox_id, message.id))

    async def _take(self, agent: str) -> None:
        conversations = self.store.conversations
        await conversations.act(self.key, Action.AGENT_TOOK, agent_id=self.agents[agent])

    async def _assign(self, agent: str) -> None:
        await self.store.conversations.assign(self.key, self.agents[agent], None)

    async def _act(self, name: str) -> None:
        until = self.clock() + 3600
        await self.store.conversations.act(self.key, ACTIONS[name], snoozed_until=until)

    async def _stale(self) -> None:
        await self.store.conversations.act(self.key, Action.PERSON_WANTED, expected_version=-1)

    async def _undo(self, back: int) -> None:
        if self._row(back):
            await self.store.conversations.undo(self._id(back)[1], None)

    async def _start(self, back: int) -> None:
        await self.store.outbox.start([self._id(back)[0]], self.clock())

    async def _finish(self, back: int) -> None:
        await self.store.outbox.finish(self._id(back)[0], None)

    async def _fail(self, back: int) -> None:
        await self.store.outbox.fail(self._id(back)[0], "refused", final=True)

    async def _try_again(self, back: int) -> None:
        if self._row(back):
            await self.store.outbox.resend(self._id(back)[0])

    async def _crash(self) -> None:
        await self.store.outbox.recover()

    async def _look(self, move: tuple) -> None:
        real = await self.store.conversations.get(self.key)
        messages = await self.store.conversations.messages(self.key, limit=1000)
        names = {number: name for name, number in self.agents.items()}
        model = self.model
        assert str(real.state) == model.state, move
        assert names.get(real.assigned_agent_id) == model.holder, move
        assert (real.waiting_since is not None) == model.waits, move
        statuses = [str(one.delivery) for one in messages if one.delivery is not None]
        assert statuses == [row.status for row in model.rows], move


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Iterator[tuple]:
    """An event loop, a store and two agents."""
    folder = tmp_path_factory.mktemp("model")
    settings = Settings(data_dir=str(folder), store=StoreSettings(synchronous="NORMAL"))
    with asyncio.Runner() as runner:
        clock = Clock()
        store = Store.open(settings, clock)

        async def people() -> dict[str, int]:
            return {name: (await store.people.create_agent(name, name)).id for name in "ab"}

        yield runner, store, clock, runner.run(people())
        runner.run(store.close())


@pytest.mark.timeout(900)
def test_every_conversation_does_what_the_model_says(desk, sized, record_property) -> None:
    runner, store, clock, agents = desk
    steps, customers = 0, 0

    @examples(
        max_examples=sized(12, 160, 3_000), derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(strategies.lists(MOVES, min_size=20, max_size=60))
    def walk(moves: list[tuple]) -> None:
        nonlocal steps, customers
        customers += 1

        async def go() -> None:
            both = Both(store, clock, agents, f"c{customers}")
            for move in [("write",), *moves]:
                await both.move(move)

        runner.run(go())
        steps += len(moves) + 1

    walk()
    record_property("figure", f"{steps:,} steps of {customers:,} conversations, all as the model")
    assert steps >= sized(200, 5_000, 100_000)
