"""A crash, a full disk or a broken one at each single write of a question's life.

strace ends the process at its N-th write or sync, or makes that call fail, for N = 1, 2, ... until
the cycle survives: nothing is left to chance. The child says what was acknowledged, as a server
would, only after the store has returned. ``TRUST_PROFILE=full`` tries every call, ``short`` every
sixth, the ordinary test run a few.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import Settings
from bot.store import Store

STRIDE = {"full": 1, "short": 6}.get(os.environ.get("TRUST_PROFILE", ""), 29)
CALLS = "pwrite64,fdatasync,ftruncate"
MOST = 400  # a cycle makes far fewer calls
pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(1200),
]

# A question from its arrival to the delivery of its answer; what fails is told and tried again.
CYCLE = """
import asyncio, json, os, sys
from bot.domain import Author, CategoryGuess, Decision, Inbound, Reasons, Suggestion, Suggestions
from bot.domain import Verdict, VerdictRecord
from bot.errors import StorageUnavailable
from bot.settings import Settings
from bot.store import ArticleRow, Store
from bot.store.records import Reply

def say(kind, key):
    os.write(1, (json.dumps([kind, key]) + "\\n").encode())

async def insist(act):
    for _ in range(20):
        try:
            return await act()
        except StorageUnavailable as error:
            say("refused", type(error).__name__)
    raise SystemExit("the disk did not heal")

async def main():
    store = Store.open(Settings(data_dir=sys.argv[1]))
    say("open", "")
    inbound = Inbound("memory", sys.argv[2], sys.argv[2], "Where is my parcel?", 1.0)
    [receipt] = await insist(lambda: store.conversations.receive([inbound]))
    say("message", sys.argv[2])
    item = Suggestion(1, "Within three days.", "", "Delivery", "en", 0.7, True, Reasons("parcel"))
    said = Suggestions((CategoryGuess("Delivery", .8),), (item,), False, "en", "v1", 1, False, 1.5)
    await insist(lambda: store.conversations.save_suggestions(
        receipt.message_id, said, Decision.SUGGEST))
    say("suggestions", sys.argv[2])
    verdict = VerdictRecord(receipt.message_id, 1, 1, Verdict.ACCEPTED, None, 2.0, 0.7, "v1")
    reply = Reply("Within three days.", Author.AGENT, answer_id=1, suggestion_rank=1,
        message_id=receipt.message_id, idempotency_key=sys.argv[2], verdicts=(verdict,))
    answer = await insist(lambda: store.conversations.reply(receipt.conversation_id, reply))
    say("reply", sys.argv[2])
    [due] = [row for row in await store.outbox.due(9e9) if row.message_id == answer.id]
    await insist(lambda: store.outbox.start([due.id], 9e9))
    say("sending", sys.argv[2])
    await insist(lambda: store.outbox.finish(due.id, "t1"))
    say("sent", sys.argv[2])
    await store.close()
    say("closed", "")

asyncio.run(main())
"""
STORED = {
    "message": "SELECT external_id FROM messages WHERE author = 'customer'",
    "suggestions": """SELECT m.external_id FROM messages m JOIN suggestions s
                      ON s.message_id = m.id WHERE m.processed_at IS NOT NULL""",
    "reply": """SELECT m.idempotency_key FROM messages m JOIN outbox o ON o.message_id = m.id
                WHERE m.author = 'agent'""",
    "sending": """SELECT m.idempotency_key FROM messages m JOIN outbox o ON o.message_id = m.id
                  WHERE o.state != 'queued'""",
    "sent": """SELECT m.idempotency_key FROM messages m JOIN outbox o ON o.message_id = m.id
               WHERE o.state = 'sent'""",
}


def cycle(folder: Path, key: str, inject: str) -> tuple[int, list[list[str]]]:
    """How one cycle under strace ended, and what it said before."""
    done = subprocess.run(
        [
            "strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={CALLS}",
            "-e", f"inject={CALLS}:{inject}",
            sys.executable, "-c", CYCLE, str(folder), key,
        ],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


async def missing(folder: Path, said: list[list[str]]) -> list[list[str]]:
    """What was acknowledged and does not stand in the database, which must be sound."""
    store = Store.open(Settings(data_dir=str(folder)))
    try:
        assert (await store.check()).sound
        stored = {
            kind: await store.db.read(
                lambda connection, sql=sql: {row[0] for row in connection.execute(sql)}
            )
            for kind, sql in STORED.items()
        }
    finally:
        await store.close()
    return [one for one in said if one[0] in stored and one[1] not in stored[one[0]]]


@pytest.fixture
def desk(tmp_path: Path, template_database: Path) -> Path:
    """A migrated database, so that the calls counted are those of the cycle."""
    shutil.copyfile(template_database, tmp_path / template_database.name)
    return tmp_path


async def test_a_crash_at_any_write_loses_nothing_acknowledged(desk: Path, record_property) -> None:
    points, acknowledged, survived = 0, 0, False
    for number in range(1, MOST, STRIDE):
        code, said = cycle(desk, f"k{number}", f"signal=KILL:when={number}")
        assert await missing(desk, said) == [], f"call {number}"
        acknowledged += len(said)
        if code == 0:
            survived = True
            break
        points += 1
    assert survived, "the cycle never came to its end"
    assert points >= 2
    record_property("figure", f"killed at {points} calls, {acknowledged} receipts, 0 lost")


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
async def test_a_failing_write_is_refused_and_nothing_is_lost(
    desk: Path, error: str, record_property
) -> None:
    """One call fails, as a disk does that was full for a moment; the next try goes on."""
    points, refused = 0, 0
    for number in range(1, MOST, STRIDE):
        code, said = cycle(desk, f"e{number}", f"error={error}:when={number}")
        assert await missing(desk, said) == [], f"call {number}"
        told = sum(kind == "refused" for kind, _ in said)
        # Before the store is open there is nobody to try again: the start fails, and says so.
        assert code == 0 or ["open", ""] not in said, (number, said)
        refused += told
        points += 1
        if code == 0 and not told and ["closed", ""] in said and number > 3 * STRIDE:
            break
    record_property("figure", f"{error} at {points} calls, {refused} refused, 0 lost")
