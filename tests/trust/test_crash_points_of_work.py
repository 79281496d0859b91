"""A crash or a failing disk at each write of what the desk does beside answering.

Articles imported, edited and removed; a model published, registered, promoted and rolled back; a
backup; a customer erased; the backup restored. strace ends the process at its N-th call, or makes
that call fail. Whatever stands afterwards is exactly the state before or after the step at hand:
the states are those of a run that nothing disturbed. ``TRUST_PROFILE=full`` tries every call.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain import Inbound
from bot.settings import Settings
from bot.store import ArticleRow, Store, restore
from nlp.artifacts import ArtifactDamaged, save_json, verify, write_manifest

STRIDE = {"full": 1, "short": 37}.get(os.environ.get("TRUST_PROFILE", ""), 149)
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink,link"
MOST = 4_000  # calls of a run: far fewer
pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(3600),
]
WORK = """
import asyncio, os, shutil, sys
from pathlib import Path
from bot.errors import StorageUnavailable
from bot.settings import Settings
from bot.store import ArticleRow, Store, restore
from nlp.artifacts import publish

folder, copies = Path(sys.argv[1]), sys.argv[2]
settings = Settings(data_dir=str(folder))

def say(text):
    os.write(1, (text + "\\n").encode())
    if copies:
        shutil.copytree(folder, Path(copies) / text.rpartition(" ")[2])

async def insist(act):
    for _ in range(20):
        try:
            return await act()
        except (StorageUnavailable, OSError) as error:
            say("refused")
            assert isinstance(error, OSError) or error.remedy, error
    raise SystemExit("the disk did not heal")

async def main():
    store = Store.open(settings)
    say("open")
    rows = [ArticleRow(f"Text {n} about parcels.", (f"Question {n}?",)) for n in range(30)]
    person = await store.erasing.customer("memory:c1")
    keep, articles, models = store.knowledge, store.knowledge, store.models

    async def published():
        # Who publishes makes a folder of its own each time; a target that stands was made.
        if not (folder / "models" / "v2").exists():
            publish(folder / "made" / "v2", folder / "models" / "v2")

    async def erased():
        await store.erasing.erase(person)

    steps = [
        lambda: articles.import_articles(rows),
        lambda: articles.save(article_id=1, text="Within two days.", questions=["When?", "Soon?"]),
        lambda: articles.remove(2),
        published,
        lambda: models.add_bundle("v2", str(folder / "models" / "v2"), {}),
        lambda: models.promote("v2"),
        lambda: models.rollback(),
        lambda: store.backup(folder / "out" / "b.db"),
        erased,
        lambda: store.db.compact(),
    ]
    for number, step in enumerate(steps, 1):
        await insist(step)
        say(f"step {number}")
    await store.close()
    async def restored():
        restore(folder / "out" / "b.db", settings)
    await insist(restored)
    say(f"step {len(steps) + 1}")

asyncio.run(main())
"""
STEPS = 11
SEEN = (
    "SELECT id, text, removed_at IS NULL FROM articles ORDER BY id",
    "SELECT article_id, text FROM questions ORDER BY 1, 2",
    "SELECT article_id, count(*) FROM article_history GROUP BY 1 ORDER BY 1",
    "SELECT version FROM bundles ORDER BY 1",
    "SELECT name, version FROM aliases ORDER BY 1",
    "SELECT id, name FROM customers ORDER BY 1",
    "SELECT text FROM messages ORDER BY 1",
    "SELECT count(*) FROM messages_fts WHERE messages_fts MATCH '\"parcel\"'",
    "SELECT count(*) FROM articles_fts WHERE articles_fts MATCH '\"parcels\"'",
)


async def prepared(folder: Path) -> None:
    """A desk with two customers, two articles, one model live and another ready to publish."""
    store = Store.open(Settings(data_dir=str(folder)))
    for number, customer in enumerate(("c1", "c1", "c2")):
        inbound = Inbound("memory", f"m{number}", customer, f"my parcel {number}", 1.0)
        await store.conversations.receive([inbound])
    await store.knowledge.import_articles([ArticleRow("Within days."), ArticleRow("Never.")])
    for version in ("v1", "v2"):
        made = folder / "made" / version
        made.mkdir(parents=True)
        save_json(made / "bundle.json", {"version": version, "weights": list(range(300))})
        write_manifest(made)
    await store.models.add_bundle("v1", str(folder / "made" / "v1"), {})
    await store.models.promote("v1")
    await store.close()


async def state(folder: Path) -> object:
    """Everything that was done, as one value; what can be read has to be sound."""
    store = Store.open(Settings(data_dir=str(folder)))
    try:
        report = await store.check()
        assert report.sound, report
        rows = await store.db.read(
            lambda connection: [[tuple(r) for r in connection.execute(sql)] for sql in SEEN]
        )
    finally:
        await store.close()
    model = folder / "models" / "v2"
    with contextlib.suppress(ArtifactDamaged):
        assert not model.exists() or verify(model) is None
        return rows, model.exists(), backed_up(folder)
    raise AssertionError("a model stands half published")


def backed_up(folder: Path) -> object:
    """What a restore of the backup brings; it is whole or not there."""
    backup, other = folder / "out" / "b.db", folder / "elsewhere"
    if not backup.exists():
        return None
    restore(backup, Settings(data_dir=str(other)))
    with contextlib.closing(sqlite3.connect(other / "neurobot.db")) as connection:
        rows = [connection.execute(sql).fetchall() for sql in SEEN]
    shutil.rmtree(other)
    return rows


def work(folder: Path, inject: str = "", copies: Path | str = "") -> tuple[int, list[str]]:
    """How the steps ended, and what was said; ``copies`` keeps the folder after each."""
    strace = [
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={CALLS}", "-e",
        f"inject={CALLS}:{inject}",
    ]  # fmt: skip
    done = subprocess.run(
        [*(strace if inject else []), sys.executable, "-c", WORK, str(folder), str(copies)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert inject or done.returncode == 0, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def states(tmp_path_factory, template_database: Path) -> tuple[Path, list[object]]:
    """A folder to begin with, and what stands after each number of steps."""
    begin, copies = tmp_path_factory.mktemp("begin"), tmp_path_factory.mktemp("copies")
    shutil.copyfile(template_database, begin / template_database.name)
    asyncio.run(prepared(begin))
    work(shutil.copytree(begin, copies / "work"), copies=copies)
    found = [
        asyncio.run(state(folder))
        for folder in (begin, *(copies / str(number) for number in range(1, STEPS + 1)))
    ]
    assert [one == two for one, two in itertools.pairwise(found)].count(True) == 1  # compacting
    return begin, found


async def test_a_crash_at_any_write_leaves_old_or_new(states, tmp_path, record_property) -> None:
    begin, known = states
    points = 0
    for number in range(1, MOST, STRIDE):
        folder = tmp_path / "now"
        shutil.copytree(begin, folder)
        code, said = work(folder, f"signal=KILL:when={number}")
        done = sum(line.startswith("step") for line in said)
        assert await state(folder) in known[done : done + 2], (number, said)
        if code == 0:
            assert done == STEPS
            break
        points += 1
        # What was begun can be done again, and leaves nothing behind.
        store = Store.open(Settings(data_dir=str(folder)))
        await store.backup(folder / "out" / "again.db")
        await store.close()
        assert not list((folder / "out").glob(".*")), number
        shutil.rmtree(folder)
    else:
        raise AssertionError("the work never came to its end")
    assert points >= 2
    record_property("figure", f"killed at {points} calls of {STEPS} steps: old or new, whole")


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
async def test_a_failing_write_is_refused_and_tried_again(
    states, tmp_path, error: str, record_property
) -> None:
    begin, known = states
    points = refused = 0
    for number in range(1, MOST, STRIDE):
        folder = tmp_path / "now"
        shutil.copytree(begin, folder)
        code, said = work(folder, f"error={error}:when={number}")
        done = sum(line.startswith("step") for line in said)
        told = said.count("refused")
        assert await state(folder) in known[done : done + 2], (number, said)
        # Before the store is open there is nobody to try again, and what cannot be said is not.
        assert code == 0 or "open" not in said or done < STEPS, (number, said)
        points, refused = points + 1, refused + told
        shutil.rmtree(folder)
        if code == 0 and not told and number > 3 * STRIDE and done == STEPS:
            break
    record_property("figure", f"{error} at {points} calls, {refused} refused: old or new, whole")
