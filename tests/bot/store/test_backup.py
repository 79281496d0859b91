import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
import sys

import pytest

from bot.domain import Author, Inbound
from bot.errors import AlreadyRunning, BadData, StorageUnavailable
from bot.settings import Settings
from bot.store import Reply, Store, restore


@pytest.fixture
async def filled(store, inbound, agent):
    for number in range(30):
        [receipt] = await store.conversations.receive(
            [inbound(f"вопрос {number}", customer=f"c{number % 5}")]
        )
    await store.conversations.reply(receipt.conversation_id, Reply("Ответ", Author.AGENT, agent.id))
    await store.knowledge.save(text="Откройте «Оплата».", questions=["Как платить?", "Где?"])
    return store


async def test_backup_into_nowhere_is_refused(filled, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        await filled.backup(tmp_path / "file" / "b.db")


async def test_what_a_killed_backup_left_goes_with_the_next(filled, tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    for name in (f".b.db.{killed.pid}.part", f".b.db.{killed.pid}.part-journal"):
        (tmp_path / name).write_bytes(b"half")
    # Another program's backup that is being written now, and files of somebody else.
    kept = {f".d.db.{os.getppid()}.part", ".notes.part", "mine.part"}
    for name in kept:
        (tmp_path / name).write_bytes(b"x")
    await filled.backup(tmp_path / "c.db")
    assert {path.name for path in tmp_path.glob("*.part*")} == kept


async def test_restore_refuses_what_is_not_sound(settings, tmp_path):
    broken = tmp_path / "broken.db"
    for content in (b"", b"no database" * 1000):
        broken.write_bytes(content)
        with pytest.raises(BadData):
            restore(broken, settings)
    with pytest.raises(BadData):
        restore(tmp_path / "missing.db", settings)
    assert not settings.database_path.exists()


async def test_restore_refuses_while_a_server_runs(filled, settings, tmp_path):
    await filled.backup(tmp_path / "b.db")
    with pytest.raises(AlreadyRunning):
        restore(tmp_path / "b.db", settings)


async def test_backup_and_restore_keep_everything(filled, settings, tmp_path, clock):
    report = await filled.backup(tmp_path / "out" / "b.db")
    assert (report.counts["messages"], report.counts["questions"]) == (31, 2)
    assert report.size_bytes == (tmp_path / "out" / "b.db").stat().st_size
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.db"]
    before = await filled.conversations.queue("all", None)
    await filled.knowledge.save(text="После копии")
    await filled.close()
    kept = restore(tmp_path / "out" / "b.db", settings)
    restored = Store.open(settings, clock)
    try:
        assert (await restored.conversations.queue("all", None)).items == before.items
        assert len(await restored.knowledge.all_items()) == 1
        assert (await restored.conversations.search("вопрос")).total == 5
        assert (await restored.check()).sound
    finally:
        await restored.close()
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT count(*) FROM articles").fetchone()[0] == 2


async def test_restore_into_an_empty_folder(filled, tmp_path):
    await filled.backup(tmp_path / "b.db")
    settings = Settings(data_dir=str(tmp_path / "new"))
    assert restore(tmp_path / "b.db", settings) is None
    opened = Store.open(settings)
    assert len(await opened.knowledge.all_items()) == 1
    await opened.close()


async def test_backup_while_writing_is_one_moment(filled, inbound, tmp_path):
    async def write():
        for number in range(100):
            await filled.conversations.receive([inbound(f"ещё {number}")])

    writing = asyncio.create_task(write())
    for number in range(3):
        report = await filled.backup(tmp_path / f"{number}.db")
        assert report.counts["messages"] >= 31
    await writing
    assert (await filled.check()).sound


async def test_text_that_is_no_utf8_any_more_is_found(filled):
    await filled.db.write(
        lambda connection: connection.execute(
            "UPDATE messages SET text = CAST(x'd0ff' AS TEXT) WHERE id = 3"
        )
    )
    assert (await filled.check()).messages == (3,)


async def test_changed_rows_are_found(filled):
    await filled.db.write(
        lambda connection: connection.execute("UPDATE messages SET text = 'другое' WHERE id = 7")
    )
    await filled.db.write(
        lambda connection: connection.execute("UPDATE questions SET text = 'x' WHERE id = 1")
    )
    report = await filled.check()
    assert (report.messages, report.articles, report.integrity) == ((7,), (1,), ())
    assert not report.sound


async def test_damaged_database_gives_no_backup(filled, tmp_path):
    await filled.db.write(
        lambda connection: connection.execute("UPDATE messages SET text = 'другое' WHERE id = 7")
    )
    with pytest.raises(StorageUnavailable, match="digest"):
        await filled.backup(tmp_path / "b.db")
    assert not (tmp_path / "b.db").exists()


async def test_flipped_bits_in_text_are_refused(filled, tmp_path):
    await filled.backup(tmp_path / "b.db")
    sound = (tmp_path / "b.db").read_bytes()
    needle = "вопрос 2".encode()
    places = [index for index in range(len(sound)) if sound.startswith(needle, index)]
    generator = random.Random(1)
    wanted = messages(tmp_path / "b.db")
    for number in range(40):
        damaged = bytearray(sound)
        place = generator.choice(places) + generator.randrange(len(needle))
        damaged[place] ^= 1 << generator.randrange(8)
        (tmp_path / "damaged.db").write_bytes(damaged)
        settings = Settings(data_dir=str(tmp_path / f"new{number}"))
        try:
            restore(tmp_path / "damaged.db", settings)
        except BadData:
            continue
        # The bit was in the copy of the text that lists show; what was said is untouched.
        assert messages(settings.database_path) == wanted


def messages(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT id, text FROM messages").fetchall()


async def test_restore_over_a_damaged_database_keeps_it_beside(filled, settings, tmp_path):
    await filled.backup(tmp_path / "b.db")
    await filled.close()
    settings.database_path.write_bytes(b"ruined" * 1000)
    settings.database_path.with_name("neurobot.db-wal").write_bytes(b"ruined too")
    kept = restore(tmp_path / "b.db", settings)
    assert kept.read_bytes() == b"ruined" * 1000
    opened = Store.open(settings)
    assert (await opened.check()).sound
    await opened.close()


async def test_damaged_search_is_made_anew_here_and_in_the_copy(filled, settings, tmp_path, clock):
    before = (await filled.conversations.queue("all", None, query="вопрос 7")).total
    articles = (await filled.knowledge.articles(query="оплата")).total
    assert (before, articles) == (1, 1)
    # FTS5 keeps its terms in blobs; other ones of the same length are damage.
    await filled.db.write(
        lambda connection: connection.execute(
            "UPDATE messages_fts_data SET block = zeroblob(length(block)) WHERE id > 10"
        )
    )
    report = await filled.backup(tmp_path / "b.db")
    assert report.search == ("messages_fts",)
    assert (await filled.conversations.queue("all", None, query="вопрос 7")).total == before
    assert (await filled.knowledge.articles(query="оплата")).total == articles
    assert (await filled.backup(tmp_path / "c.db")).search == ()
    await filled.close()
    restore(tmp_path / "b.db", settings)
    restored = Store.open(settings, clock)
    try:
        assert (await restored.conversations.queue("all", None, query="вопрос 7")).total == before
        [receipt] = await restored.conversations.receive(
            [Inbound("memory", "later", "c1", "совсем новый", 1.0)]
        )
        assert receipt.message_id
        assert (await restored.conversations.queue("all", None, query="новый")).total == 1
    finally:
        await restored.close()
