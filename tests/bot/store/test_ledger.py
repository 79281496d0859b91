"""Every suggestion shown has exactly one record, whatever is repeated, taken back or disputed."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.desk.verdicts import judge
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
from bot.errors import Conflict
from bot.settings import Settings, StoreSettings
from bot.store import Reply, Store

ANSWERS = st.lists(st.integers(1, 6), min_size=0, max_size=4, unique=True)


def said(answers, version="v1"):
    items = tuple(
        Suggestion(answer, f"Answer {answer}.", "", "C", "en", 0.5, True, Reasons())
        for answer in answers
    )
    return Suggestions((), items, False, "en", version, 1, False, 2.5)


class Shown(RuleBasedStateMachine):
    """Two agents, redelivered messages, repeated requests, edits, undo; a model beside it."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.now = 1_000.0
        self.store = Store.open(
            Settings(data_dir=self.folder.name, store=StoreSettings(synchronous="NORMAL")),
            lambda: self.now,
        )
        for login in ("ann", "bob"):
            self.run(self.store.people.create_agent(login))
        self.shown = set()
        self.verdicts = {}
        self.questions = []
        self.replies = []

    def run(self, coroutine):
        self.now += 1.0
        return self.loop.run_until_complete(coroutine)

    @rule(number=st.integers(1, 4))
    def ask(self, number):
        inbound = Inbound("memory", f"m{number}", f"c{number % 2}", f"Text {number}", self.now)
        [receipt] = self.run(self.store.conversations.receive([inbound]))
        if not receipt.duplicate:
            self.questions.append((receipt.message_id, receipt.conversation_id, f"m{number}"))

    def question(self, pick):
        return self.questions[pick % len(self.questions)] if self.questions else None

    @rule(pick=st.integers(0, 9), answers=ANSWERS, version=st.sampled_from(("v1", "v2")))
    def suggest(self, pick, answers, version):
        if (question := self.question(pick)) is not None:
            saving = self.store.conversations.save_suggestions(
                question[0], said(answers, version), Decision.SUGGEST
            )
            self.run(saving)
            self.shown |= {(question[0], answer) for answer in answers}

    @rule(pick=st.integers(0, 9), text=st.sampled_from(("A", "B")))
    def edit(self, pick, text):
        if (question := self.question(pick)) is not None:
            edited = Inbound(
                "memory", f"e{text}{question[2]}", "c1", text, self.now,
                edits_external_id=question[2],
            )  # fmt: skip
            self.run(self.store.conversations.receive([edited]))

    def on_screen(self, message_id):
        found = self.run(self.store.conversations.suggestions(message_id))
        return found[0] if found else None

    @rule(pick=st.integers(0, 9), agent=st.integers(1, 2), key=st.integers(0, 5), own=st.booleans())
    def reply(self, pick, agent, key, own):
        question = self.question(pick)
        shown = self.on_screen(question[0]) if question else None
        if shown is None:
            return
        text = shown.items[0].text if shown.items and not own else "My own words."
        known = self.run(self.store.feedback.of_message(question[0]))
        rejected = {v.answer_id for v in known if v.verdict is Verdict.REJECTED}
        judged = judge(
            shown, text, question_id=question[0], chosen=None, rejected=rejected, agent_id=agent,
            now=self.now,
        )  # fmt: skip
        reply = Reply(
            text, Author.AGENT, agent, judged.answer_id, message_id=question[0], hold_s=9e9,
            idempotency_key=f"{agent}:{key}", verdicts=judged.records,
            seen_message_id=question[0],
        )  # fmt: skip
        repeated = any(reply.idempotency_key == k and question[1] == c for k, c, _ in self.replies)
        with suppress(Conflict):
            message = self.run(self.store.conversations.reply(question[1], reply))
            if not repeated:
                self.replies.append((reply.idempotency_key, question[1], message.id))
                for v in judged.records:
                    self.verdicts[v.message_id, v.answer_id] = (str(v.verdict), agent, message.id)

    @rule(pick=st.integers(0, 9))
    def undo(self, pick):
        if self.replies:
            message_id = self.replies[pick % len(self.replies)][2]
            self.run(self.store.conversations.undo(message_id, None))
            self.verdicts = {k: v for k, v in self.verdicts.items() if v[2] != message_id}

    @rule(pick=st.integers(0, 9), agent=st.integers(1, 2), place=st.integers(0, 3))
    def reject(self, pick, agent, place):
        question = self.question(pick)
        shown = self.on_screen(question[0]) if question else None
        if shown is None or not shown.items:
            return
        answer = shown.items[place % len(shown.items)].answer_id
        record = VerdictRecord(
            question[0], answer, place + 1, Verdict.REJECTED, agent, self.now, 0.5, "v1", 0, "wrong"
        )
        self.run(self.store.feedback.record([record, record]))
        self.verdicts[question[0], answer] = ("rejected", agent, None)

    @invariant()
    def one_record_each(self):
        def read(connection):
            return connection.execute(
                "SELECT message_id, answer_id, verdict, agent_id FROM ledger"
            ).fetchall()

        rows = [tuple(row) for row in self.run(self.store.db.read(read))]
        assert len(rows) == len(self.shown)
        assert {row[:2] for row in rows} == self.shown
        judged = {row[:2]: row[2:] for row in rows if row[2] is not None}
        assert judged == {key: value[:2] for key, value in self.verdicts.items()}

    def teardown(self):
        self.run(self.store.close())
        self.loop.close()
        self.folder.cleanup()


def test_records_equal_what_was_shown():
    quick = settings(
        max_examples=20,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Shown, settings=quick)


async def test_a_record_says_what_was_shown_and_what_became_of_it(store, conversation, suggested):
    agent = await store.people.create_agent("anna")
    message = await store.conversations.message(conversation.message_id)
    await store.conversations.save_suggestions(message.id, suggested(), Decision.SUGGEST)
    [row] = await store.ledger.page()
    assert (row.message, row.answer_id, row.rank, row.confidence) == (message.public_id, 1, 1, 0.7)
    assert (row.model_version, row.latency_ms, row.verdict, row.agent) == ("v1", 1.5, None, None)
    record = VerdictRecord(
        message.id, 1, 1, Verdict.REJECTED, agent.id, 9.0, 0.7, "v1", 0, "too old"
    )
    await store.feedback.record([record])
    [row] = await store.ledger.page()
    assert (row.verdict, row.agent, row.reason, row.judged_at) == (
        "rejected", "anna", "too old", 9.0,
    )  # fmt: skip
    assert await store.ledger.page(after=row.id) == []
    assert [len(page) async for page in store.ledger.rows()] == [1]


async def test_a_database_of_the_first_release_gains_its_records(tmp_path):
    """Suggestions and verdicts that were stored before there was a ledger."""
    import sqlite3

    from bot.store import schema
    from bot.store.training_schema import LEDGER

    with sqlite3.connect(Path(tmp_path) / "old.db") as connection:
        for group in (schema.PEOPLE, schema.CONVERSATIONS, schema.KNOWLEDGE):
            for statement in group:
                connection.execute(statement)
        payload = msgspec.json.encode(said([3, 4])).decode()
        shown = "INSERT INTO suggestions VALUES (7, 'suggest', 'v1', ?, 1.0)"
        connection.execute(shown, (payload,))
        connection.execute(
            "INSERT INTO verdicts VALUES (7, 4, 2, 'accepted', 1, 2.0, .5, 'v1', 0, '', NULL)"
        )
        for statement in LEDGER:
            connection.execute(statement)
        rows = connection.execute("SELECT message_id, answer_id, rank, verdict FROM ledger")
        assert sorted(rows) == [(7, 3, 1, None), (7, 4, 2, "accepted")]
