"""A crash or a failing disk at each write of what the desk does beside answering.

Articles imported, edited and removed; a model published, registered, promoted and rolled back; a
backup; a customer erased; the backup restored. strace ends the process at its N-th call, or makes
that call fail. Whatever stands afterwards is exactly the state before or after the step at hand:
the states are those of a run that nothing disturbed. strace counts the calls of each thread, so
each step is a process of its own. ``TRUST_PROFILE=full`` tries every call.
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

PROFILE = os.environ.get("TRUST_PROFILE") or "short"
STRIDE, ERROR_STRIDE = {"full": (1, 3), "short": (41, 97)}[PROFILE]
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink,link"
MOST = 4_000  # calls of a run: far fewer
pytestmark = [
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.timeout(3600),
]
WORK = """
import asyncio, os, shutil, sys
from pathlib import Path
from bot.errors import NotFound, StorageUnavailable
from bot.settings import Settings
from bot.store import ArticleRow, Store, restore
from nlp.artifacts import publish

folder, first, last, copies = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
settings = Settings(data_dir=str(folder))

def say(text):
    os.write(1, (text + "\\n").encode())
    if copies and text != "open":
        shutil.copytree(folder, Path(copies) / text.rpartition(" ")[2])

async def insist(act):
    for _ in range(20):
        try:
            return await act()
        except (StorageUnavailable, OSError) as error:
            say("refused")
            assert isinstance(error, OSError) or error.remedy, error
    raise SystemExit("the disk did not heal")

rows = [ArticleRow(f"Text {n} about parcels.", (f"Question {n}?",)) for n in range(30)]

async def published(_):
    # Who publishes makes a folder of its own each time; a target that stands was made.
    if not (folder / "models" / "v2").exists():
        publish(folder / "made" / "v2", folder / "models" / "v2")

async def restored(_):
    restore(folder / "out" / "b.db", settings)

async def erased(store):
    try:
        await store.erasing.erase(await store.erasing.customer("memory:c1"))
    except NotFound:
        pass  # told that it failed, and done all the same

steps = [
    lambda store: store.knowledge.import_articles(rows),
    lambda store: store.knowledge.save(
        article_id=1, text="Within two days.", questions=["When?", "Soon?"]),
    lambda store: store.knowledge.remove(2),
    published,
    lambda store: store.models.add_bundle("v2", str(folder / "models" / "v2"), {}),
    lambda store: store.models.promote("v2"),
    lambda store: store.models.rollback(),
    lambda store: store.backup(folder / "out" / "b.db"),
    erased,
    lambda store: store.db.compact(),
    restored,
]

async def main():
    for number in range(first, last + 1):
        step = steps[number - 1]
        store = None if step in (published, restored) else Store.open(settings)
        say("open")
        await insist(lambda: step(store))
        say(f"step {number}")
        if store:
            await store.close()

asyncio.run(main())
"""
STEPS, BACKUP = 11, 8
TRIED = tuple(range(1, STEPS + 1))
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


def work(
    folder: Path, steps: tuple[int, int], inject: str = "", copies: Path | str = ""
) -> tuple[int, list[str]]:
    """How the steps ended, and what was said; ``copies`` keeps the folder after each."""
    strace = [
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={CALLS}", "-e",
        f"inject={CALLS}:{inject}",
    ]  # fmt: skip
    done = subprocess.run(
        [*(strace if inject else []), sys.executable, "-c", WORK, folder, *map(str, steps), copies],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert inject or done.returncode == 0, done.stderr
    return done.returncode, done.stdout.splitlines()


@pytest.fixture(scope="module")
def states(tmp_path_factory, template_database: Path) -> tuple[list[Path], list[object]]:
    """The folder after each number of steps, and all that stands in it."""
    copies = tmp_path_factory.mktemp("copies")
    begin = copies / "0"
    begin.mkdir()
    shutil.copyfile(template_database, begin / template_database.name)
    asyncio.run(prepared(begin))
    work(shutil.copytree(begin, copies / "work"), (1, STEPS), copies=copies)
    folders = [copies / str(number) for number in range(STEPS + 1)]
    found = [
        asyncio.run(state(shutil.copytree(one, copies / "read" / one.name))) for one in folders
    ]
    assert [one == two for one, two in itertools.pairwise(found)].count(True) == 1  # compacting
    return folders, found


async def test_a_crash_at_any_write_leaves_old_or_new(states, tmp_path, record_property) -> None:
    folders, known = states
    points, now = 0, tmp_path / "now"
    for step in TRIED:
        for number in range(1 + 7 * step % STRIDE, MOST, STRIDE):
            shutil.copytree(folders[step - 1], now)
            code, said = work(now, (step, step), f"signal=KILL:when={number}")
            done = f"step {step}" in said
            assert await state(now) in known[step - 1 + done : step + 1], (step, number, said)
            points += code != 0
            if code != 0 and step == BACKUP:
                await left_behind(now)
            shutil.rmtree(now)
            if code == 0:
                assert done
                break
        else:
            raise AssertionError("the work never came to its end")
    assert points >= len(TRIED) / 2
    record_property("figure", f"killed at {points} calls of {len(TRIED)} steps: old or new, whole")


async def left_behind(folder: Path) -> None:
    """What was begun can be done again, and nothing half written stays."""
    store = Store.open(Settings(data_dir=str(folder)))
    await store.backup(folder / "out" / "again.db")
    await store.close()
    assert [one.name for one in (folder / "out").glob(".*")] == []


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
async def test_a_failing_write_is_refused_and_tried_again(
    states, tmp_path, error: str, record_property
) -> None:
    folders, known = states
    points, refused, now = 0, 0, tmp_path / "now"
    for step in TRIED[error == "EIO" :: 2] if PROFILE == "short" else TRIED:
        for number in range(1 + 7 * step % ERROR_STRIDE, MOST, ERROR_STRIDE):
            shutil.copytree(folders[step - 1], now)
            code, said = work(now, (step, step), f"error={error}:when={number}")
            done, told = f"step {step}" in said, said.count("refused")
            assert await state(now) in known[step - 1 + done : step + 1], (step, number, said)
            # Before the store is open there is nobody to try again, and what cannot be told is not.
            assert code == 0 or "open" not in said or not done, (step, number, said)
            points, refused = points + 1, refused + told
            shutil.rmtree(now)
            if code == 0 and not told and number > 2 * ERROR_STRIDE:
                break
    record_property("figure", f"{error} at {points} calls, {refused} refused: old or new, whole")
