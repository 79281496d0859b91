import asyncio
import sqlite3

import pytest

from bot.errors import AlreadyRunning, BadRequest, StorageUnavailable
from bot.settings import Settings, StoreSettings
from bot.store import Store
from bot.store.database import Database


@pytest.fixture
async def db(tmp_path):
    def prepare(connection):
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")

    opened = Database(tmp_path / "a.db", "NORMAL", 2, prepare=prepare)
    yield opened
    await opened.close()


def add(text):
    return lambda connection: (
        connection.execute("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid
    )


def texts(connection):
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]


async def test_failure_undoes_only_its_own_work(db):
    def half(connection):
        connection.execute("INSERT INTO notes (text) VALUES ('half')")
        raise ValueError("no")

    results = await asyncio.gather(
        db.write(add("a")), db.write(half), db.write(add("b")), return_exceptions=True
    )
    assert isinstance(results[1], ValueError)
    assert await db.read(texts) == ["a", "b"]


async def test_broken_constraint_reaches_its_caller(db):
    with pytest.raises(sqlite3.IntegrityError):
        await db.write(add(None))
    assert await db.write(add("after")) == 1


async def test_full_disk_fails_the_batch_and_heals(db):
    await db.write(add("before"))
    pages = await db.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await db.write(
        lambda connection: connection.execute(f"PRAGMA max_page_count={pages + 1}").fetchone()
    )
    results = await asyncio.gather(
        *(db.write(add("x" * 100_000)) for _ in range(8)), return_exceptions=True
    )
    assert all(isinstance(result, StorageUnavailable) for result in results)
    assert "full" in str(results[0])
    assert db.health().failures >= 1
    assert await db.read(texts) == ["before"]
    await db.write(
        lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchone()
    )
    await db.write(add("after"))
    assert await db.read(texts) == ["before", "after"]
    assert db.health().last_error == ""


async def test_full_disk_loses_nothing_acknowledged_in_a_mixed_batch(db):
    pages = await db.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await db.write(
        lambda connection: connection.execute(f"PRAGMA max_page_count={pages + 20}").fetchone()
    )
    writes = [db.write(add(f"{number}" + "x" * 3000)) for number in range(200)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    stored = await db.read(texts)
    acknowledged = [result for result in results if not isinstance(result, Exception)]
    assert len(stored) == len(acknowledged)


async def test_concurrent_writes_share_commits(db):
    before = db.health().commits
    await asyncio.gather(*(db.write(add(str(number))) for number in range(64)))
    assert db.health().commits - before < 64
    assert len(await db.read(texts)) == 64


async def test_reads_see_what_was_committed_and_cannot_write(db):
    await db.write(add("seen"))
    assert await db.read(texts) == ["seen"]
    with pytest.raises(StorageUnavailable, match="readonly"):
        await db.read(add("no"))


async def test_cancelled_caller_leaves_the_writer_working(db):
    task = asyncio.create_task(db.write(add("first")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await db.write(add("second"))
    assert "second" in await db.read(texts)


async def test_closed_store_refuses_and_leaves_no_wal(tmp_path):
    opened = Database(
        tmp_path / "b.db",
        prepare=lambda connection: connection.execute("CREATE TABLE notes (id, text)"),
    )
    await opened.write(add("kept"))
    await opened.close()
    await opened.close()
    for attempt in (opened.write(add("late")), opened.read(texts)):
        with pytest.raises(StorageUnavailable):
            await attempt
    assert not (tmp_path / "b.db-wal").exists()
    with sqlite3.connect(tmp_path / "b.db") as connection:
        assert texts(connection) == ["kept"]
    connection.close()


async def test_idle_writer_checkpoints(db):
    await db.write(add("x"))
    for _ in range(100):
        if db.health().last_checkpoint_at is not None:
            break
        await asyncio.sleep(0.05)
    assert db.health().last_checkpoint_at is not None


async def test_second_open_is_refused_by_name(store, settings):
    with pytest.raises(AlreadyRunning, match="process"):
        Store.open(settings)


async def test_lock_is_free_after_close(settings, clock):
    for _ in range(2):
        opened = Store.open(settings, clock)
        await opened.close()


async def test_file_that_is_no_database_is_named(settings):
    settings.data_path.mkdir()
    settings.database_path.write_bytes(b"this is not a database at all, not even a little" * 100)
    with pytest.raises(StorageUnavailable, match=r"neurobot\.db"):
        Store.open(settings)
    settings.database_path.unlink()
    await Store.open(settings).close()  # the failed attempt left no lock behind


async def test_unusable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageUnavailable, match="data_dir"):
        Store.open(Settings(data_dir=str(tmp_path / "file" / "data")))


async def test_database_of_a_newer_release_is_refused(settings, clock):
    opened = Store.open(settings, clock)
    await opened.db.write(
        lambda connection: connection.execute(
            """INSERT INTO _sqlite_migrations (migration_set, name, applied_at)
               VALUES ('neurobot', '9999_tomorrow', '2030-01-01')"""
        )
    )
    await opened.close()
    with pytest.raises(StorageUnavailable, match="9999_tomorrow"):
        Store.open(settings, clock)


async def test_health_names_the_sqlite_version(store):
    health = store.health()
    assert health["sqlite_version"] == sqlite3.sqlite_version
    assert health["sqlite_old"] == (sqlite3.sqlite_version_info < (3, 51, 3))
    assert health["size_bytes"] > 0
    assert health["queued"] == 0


@pytest.mark.parametrize(("mode", "level"), [("FULL", 2), ("NORMAL", 1)])
async def test_synchronous_comes_from_the_settings(tmp_path, mode, level):
    settings = Settings(data_dir=str(tmp_path), store=StoreSettings(synchronous=mode, readers=1))
    opened = Store.open(settings)
    pragmas = await opened.db.write(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "wal_autocheckpoint")
        ]
    )
    await opened.close()
    assert pragmas == [level, "wal", 0]


async def test_values_no_database_can_take_are_the_callers_mistake(store, conversation):
    for attempt in (
        store.conversations.by_public_id("\ud800"),
        store.conversations.get(10**30),
        store.knowledge.articles(category="\ud800"),
        store.people.revoke_token(-(10**30)),
    ):
        with pytest.raises(BadRequest):
            await attempt


async def test_lock_of_another_program_is_waited_for(store, settings, inbound):
    other = sqlite3.connect(settings.database_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    receiving = asyncio.create_task(store.conversations.receive([inbound()]))
    await asyncio.sleep(0.3)
    assert not receiving.done()
    assert (await store.conversations.counts(None))["all"] == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert len(await receiving) == 1
