"""A migration killed anywhere leaves the old tables or the new ones, every row, and goes on later.

From the database of each earlier release (the first steps alone, with rows in it) to today's: ended
before each single statement, by a fork, and at each write or sync, by strace. ``TRUST_PROFILE``
says how many of them are tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRIDE, WRITE_STRIDE = {"full": (1, 1), "short": (3, 12)}.get(
    os.environ.get("TRUST_PROFILE", ""), (71, 151)
)
CALLS = "pwrite64,fdatasync,ftruncate"
MOST = 2_000  # statements or calls of one migration: far fewer
OLD = """
import os, signal, shutil, sqlite3, sys
from pathlib import Path
from bot.store import migrations
from bot.store.database import connect

ALL = migrations._STEPS
ROWS = (
    "INSERT INTO agents (id, login, name, role, language, created_at) "
    "VALUES (?1, 'a' || ?1, 'Anna', 'agent', 'en', 1.5)",
    "INSERT INTO customers (id, public_id, channel, external_id, name, language, created_at) "
    "VALUES (?1, 'c' || ?1, 'web', 'x' || ?1, 'Жан', 'ru', 2.5)",
    "INSERT INTO conversations (id, public_id, customer_id, channel, state, language, created_at, "
    "last_message_at) VALUES (?1, 't' || ?1, ?1, 'web', 'open', 'ru', 3.5, 4.5)",
    "INSERT INTO messages (id, public_id, conversation_id, author, kind, text, created_at, "
    "language, channel, digest) VALUES (?1, 'm' || ?1, ?1, 'customer', 'text', "
    "'Где мой заказ ' || ?1, 4.5, 'ru', 'web', x'00')",
    "INSERT INTO articles (id, key, title, text, category, language, created_at, updated_at, "
    "digest) VALUES (?1, 'k' || ?1, '', 'Within three days.', 'delivery', 'en', 1, 1, x'00')",
)

def advance(connection, steps=len(ALL)):
    migrations._STEPS = ALL[:steps]
    migrations.migrate(connection)

def schema(connection):
    return connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%_fts_%' ORDER BY 1, 2"
    ).fetchall()

def rows(connection, columns):
    return {table: connection.execute(f"SELECT {names} FROM {table} ORDER BY 1").fetchall()
            for table, names in columns.items()}

def columns(connection):
    tables = [row[0] for row in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%_fts%' "
        "AND name NOT LIKE '%sqlite_%'")]
    return {table: ", ".join(f'"{row[1]}"' for row in connection.execute(
        f"PRAGMA table_info({table})")) for table in tables}

def make(path, steps):
    connection = connect(path, synchronous="OFF")
    connection.row_factory = None
    advance(connection, steps)
    for number in range(1, 31 if steps else 1):
        for sql in ROWS:
            connection.execute(sql, (number,))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    made = schema(connection), columns(connection)
    made += (rows(connection, made[1]),)
    connection.close()
    return made

def applied(connection):
    try:
        return [row[0] for row in connection.execute(
            "SELECT name FROM _sqlite_migrations ORDER BY name")]
    except sqlite3.OperationalError:
        return []

def examine(path, base, old, schemas):
    connection = connect(path, synchronous="OFF")
    connection.row_factory = None
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    done = applied(connection)
    assert done == [name for name, _ in ALL][:len(done)] and len(done) >= base, done
    if done:  # else the library's own list may stand alone
        assert schema(connection) == schemas[len(done)], (base, done)
    assert rows(connection, old[1]) == old[2], (base, done)
    advance(connection)
    assert schema(connection) == schemas[-1], (base, done)
    assert rows(connection, old[1]) == old[2], (base, done)
    found = connection.execute(
        "SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'заказ'").fetchone()
    assert found[0] == len(old[2].get("messages", ())), (base, done)
    connection.close()
    return len(done)
"""
FORKS = (
    OLD
    + """
def migrate_killed(path, number):
    child = os.fork()
    if not child:
        count = 0
        def trace(_):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
        connection = connect(path, synchronous="OFF")  # what is killed is no disk
        connection.set_trace_callback(trace)
        advance(connection)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

folder, stride, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
old = [make(folder / f"{steps}.db", steps) for steps in range(len(ALL) + 1)]
schemas, points, stages = [one[0] for one in old], 0, set()
for base in range(len(ALL)):
    for number in range(1 + base % stride, most, stride):
        path = folder / "now" / "neurobot.db"
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir()
        shutil.copyfile(folder / f"{base}.db", path)
        code = migrate_killed(path, number)
        stages.add((base, examine(path, base, old[base], schemas)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        points += 1
    else:
        raise SystemExit("the migration never came to its end")
print(points, len(stages))
"""
)
WRITES = (
    OLD
    + """
import json, subprocess
folder, stride, most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
strace = json.loads(sys.argv[4])
migrate = "import sys; from pathlib import Path; from bot.store import migrations, database; " \\
    "migrations.migrate(database.connect(Path(sys.argv[1])))"
old = [make(folder / f"{steps}.db", steps) for steps in range(len(ALL) + 1)]
for points, number in enumerate(range(1, most, stride)):
    path = folder / f"now{number}" / "neurobot.db"
    path.parent.mkdir()
    shutil.copyfile(folder / "1.db", path)
    inject = [f"inject={strace[-1].partition('=')[2]}:signal=KILL:when={number}"]
    code = subprocess.run(
        [*strace, "-e", *inject, sys.executable, "-c", migrate, str(path)]).returncode
    examine(path, 1, old[1], [one[0] for one in old])
    shutil.rmtree(path.parent)
    if code == 0:
        break
else:
    raise SystemExit("the migration never came to its end")
print(points)
"""
)
STRACE = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={CALLS}"]


def python(code: str, *arguments: object) -> str:
    """Output of a program of ours, which has to succeed."""
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.timeout(900)
def test_killed_before_any_statement(tmp_path: Path, record_property) -> None:
    points, stages = map(int, python(FORKS, tmp_path, STRIDE, MOST).split())
    assert points > 10
    record_property("figure", f"killed before {points} statements, {stages} ways to stand still")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.timeout(900)
def test_killed_at_any_write(tmp_path: Path, record_property) -> None:
    """From the first release."""
    points = int(python(WRITES, tmp_path, WRITE_STRIDE, MOST, json.dumps(STRACE)))
    assert points > 0
    record_property("figure", f"killed at {points} writes")
