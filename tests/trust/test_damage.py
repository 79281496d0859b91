"""One flipped bit anywhere in the database: the nightly backup finds it.

SQLite's own check sees a third of such flips; the digests of messages and articles see the rest. A
flip that changes nothing but a free place of a page is not counted, nor one that is not noticed in
a search table: its structure is checked, its terms can be made anew from the texts.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from bot.domain import Inbound
from bot.errors import NeurobotError
from bot.settings import Settings
from bot.store import ArticleRow, Store

FLIPS = {"full": 400, "short": 120}.get(os.environ.get("TRUST_PROFILE", ""), 15)
FOUND = 0.95 if FLIPS > 100 else 0.8  # of a dozen, two may be those that nothing sees


async def filled(settings: Settings) -> Path:
    """A closed database whose pages hold what a desk's do: messages and articles."""
    store = Store.open(settings)
    rng = random.Random(1)
    words = [f"word{number}" for number in range(3000)]
    texts = (" ".join(rng.choices(words, k=40)) for _ in range(8000))
    await store.knowledge.import_articles([
        ArticleRow(text=next(texts), title=next(texts)[:60], questions=(next(texts)[:80],), line=n)
        for n in range(1, 101)
    ])  # fmt: skip
    for part in range(60):
        await store.conversations.receive([
            Inbound("memory", f"m{part}-{n}", f"c{n}", next(texts), 1.0) for n in range(100)
        ])  # fmt: skip
    await store.close()
    connection = sqlite3.connect(settings.database_path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return settings.database_path


def flip(path: Path, bit: int) -> None:
    """The other value of one bit of a file."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


async def noticed(settings: Settings) -> bool:
    """Whether a backup says that something is wrong; nothing but an error may come of it."""
    try:
        store = Store.open(settings)
    except NeurobotError:
        return True
    try:
        return bool((await store.backup(settings.data_path / "copy.db")).search)
    except NeurobotError:
        return True
    finally:
        await store.close()


def content(database: Path) -> object:
    """Everything that can be read and is not made from something else, or the error instead."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.text_factory = bytes
        try:
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_fts%'"
                " ESCAPE '\\'"
            ).fetchall()
            return [
                connection.execute(f'SELECT * FROM "{name.decode()}"').fetchall()
                for (name,) in names
            ]
        except sqlite3.Error as error:
            return str(error)


@pytest.mark.timeout(900)
async def test_a_flipped_bit_in_the_database_is_found(tmp_path: Path, record_property) -> None:
    settings = Settings(data_dir=str(tmp_path / "data"))
    database = await filled(settings)
    whole = database.with_suffix(".whole")
    shutil.copyfile(database, whole)
    size, rng, before = whole.stat().st_size, random.Random(3), content(whole)
    found = harmless = 0
    for _ in range(FLIPS):
        for leftover in database.parent.glob(f"{database.name}*"):
            leftover.unlink()
        shutil.copyfile(whole, database)
        flip(database, rng.randrange(size * 8))
        changed = content(database) != before
        told = await noticed(settings)
        found += told
        harmless += not told and not changed
    counted = FLIPS - harmless
    record_property("figure", f"{found} of {counted} flipped bits of {size // 1024} KB found")
    assert found >= FOUND * counted
