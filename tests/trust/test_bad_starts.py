"""What a server says that cannot start: the remedy, a code, no traceback, and nothing changed.

Every situation is tried by a fork of one process that has loaded the server, without root's right
to pass over permissions.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import AlreadyRunning, BadData
from bot.settings import Settings
from bot.store import Store
from bot.store.backup import restore

ROOT = Path(__file__).resolve().parents[2]
FORKS = """
import ctypes, json, os, signal, sys, tempfile
import bot.app
from bot.__main__ import main

def obey_permissions():
    libc = ctypes.CDLL(None)
    head, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(head, sets)
    for word in (0, 1, 2):
        sets[word] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(head, sets) == 0

def attempt(environment):
    said = tempfile.TemporaryFile()
    child = os.fork()
    if not child:
        obey_permissions()
        os.dup2(said.fileno(), 2)
        signal.alarm(30)
        os.environ.update(environment)
        code = main()
        sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said.seek(0)
    return [code, said.read().decode("utf-8", "replace")]

print(json.dumps({name: attempt(given) for name, given in json.load(sys.stdin).items()}))
"""
# What is wrong -> the exit code, words of what is said, words of the remedy.
EXPECTED = {
    "a folder that may not be written": (73, "Permission denied", "data_dir"),
    "a folder of somebody else": (73, "Permission denied", "data_dir"),
    "a file where the folder should be": (73, "cannot be used", "data_dir"),
    "a disk that became read-only": (73, "Permission denied", "data_dir"),
    "a database that is none": (73, "not a database", "restore"),
    "a database damaged inside": (73, "malformed", "restore"),
    "a database of a newer release": (73, "newer release", "restore"),
    "a database that may only be read": (73, "may only be read", "owner"),
    "settings that may not be read": (78, "Permission denied", "NEUROBOT_CONFIG"),
    "a port that is taken": (78, "address already in use", "http.port"),
    "a certificate that is not there": (78, "cannot be used", "PEM"),
    "a second server": (75, "in use (process", "Stop that server"),
}


def copied(template: Path, folder: Path) -> Path:
    """A database of its own in ``folder``."""
    folder.mkdir(parents=True)
    target = folder / template.name
    target.write_bytes(template.read_bytes())
    return target


def damaged(target: Path) -> None:
    """Nonsense on the first page, behind the head: the list of tables."""
    content = bytearray(target.read_bytes())
    content[110:2000] = os.urandom(1890)
    target.write_bytes(content)


def newer(target: Path) -> None:
    with contextlib.closing(sqlite3.connect(target)) as connection, connection:
        connection.execute(
            "UPDATE _sqlite_migrations SET name = '9999_future' WHERE name LIKE '0006%'"
        )


@pytest.fixture
def situations(tmp_path: Path, template_database: Path) -> Iterator[dict[str, dict[str, str]]]:
    """The environment of each start."""
    made: dict[str, dict[str, str]] = {}

    def situation(name: str, change: Callable[[Path], object] | None = None, **more: str) -> Path:
        target = copied(template_database, tmp_path / f"s{len(made)}")
        if change is not None:
            change(target)
        made[name] = {"NEUROBOT_DATA_DIR": str(target.parent), "NEUROBOT_HTTP__PORT": "0", **more}
        return target

    names = list(EXPECTED)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    situation(names[0], NEUROBOT_DATA_DIR=str(closed / "data"))
    situation(names[1], lambda target: target.parent.chmod(0))
    situation(names[2], NEUROBOT_DATA_DIR=str(template_database))
    situation(names[3], lambda target: (target.chmod(0o400), target.parent.chmod(0o500)))
    situation(names[4], lambda target: target.write_bytes(b"no database, a shopping list\n" * 200))
    situation(names[5], damaged)
    situation(names[6], newer)
    situation(names[7], lambda target: target.chmod(0o400))
    file = tmp_path / "neurobot.toml"
    file.touch(mode=0)
    situation(names[8], NEUROBOT_CONFIG=str(file))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        situation(names[9], NEUROBOT_HTTP__PORT=str(taken.getsockname()[1]))
        nothing = str(tmp_path / "cert.pem")
        situation(names[10], NEUROBOT_HTTP__TLS_CERT=nothing, NEUROBOT_HTTP__TLS_KEY=nothing)
        last = situation(names[11])
        store = Store.open(Settings(data_dir=str(last.parent)))
        yield made
        asyncio.run(store.close())
    for folder in (closed, *(Path(one["NEUROBOT_DATA_DIR"]) for one in made.values())):
        if folder.is_dir():
            folder.chmod(0o700)


def digest(folder: Path) -> str:
    file = folder / "neurobot.db"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def test_a_start_that_cannot_be_says_why_and_changes_nothing(situations, record_property) -> None:
    before = {name: digest(Path(one["NEUROBOT_DATA_DIR"])) for name, one in situations.items()}
    run = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=ROOT, input=json.dumps(situations), text=True,
        capture_output=True, check=True, timeout=240,
    )  # fmt: skip
    for name, (code, said) in json.loads(run.stdout).items():
        expected, words, remedy = EXPECTED[name]
        assert code == expected, (name, code, said)
        assert words in said, (name, said)
        assert remedy in said, (name, said)
        assert "Traceback" not in said, (name, said)
        assert len(said.strip().splitlines()) == 1, (name, said)
        if words != "address already in use":  # found last, when the server had begun
            assert digest(Path(situations[name]["NEUROBOT_DATA_DIR"])) == before[name], name
    record_property("figure", f"{len(situations)} situations, each with its remedy")


async def test_a_restore_that_cannot_be_replaces_nothing(tmp_path, template_database) -> None:
    """A damaged backup, none, a text, a running server: the desk's own file stays as it is."""
    settings = Settings(data_dir=str(tmp_path / "data"))
    own = copied(template_database, settings.data_path)
    store = Store.open(settings)
    await store.people.create_agent("ann", "Ann")
    backup = tmp_path / "monday.db"
    await store.backup(backup)
    await store.people.create_agent("bea", "Bea")
    with pytest.raises(AlreadyRunning):
        restore(backup, settings)
    await store.close()
    before = digest(settings.data_path)
    flipped, text = tmp_path / "flipped.db", tmp_path / "text.db"
    flipped.write_bytes(backup.read_bytes())
    damaged(flipped)
    text.write_text("a shopping list")
    for source in (flipped, text, tmp_path / "nothing.db", tmp_path):
        with pytest.raises(BadData, match=source.name):
            restore(source, settings)
        assert digest(settings.data_path) == before
        assert sorted(path.name for path in settings.data_path.iterdir()) == [
            own.name, f"{own.name}.lock",
        ]  # fmt: skip
    kept = restore(backup, settings)
    assert kept is not None
    store = Store.open(settings)
    assert [agent.login for agent in await store.people.agents()] == ["ann"]
    await store.close()
    with contextlib.closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT count(*) FROM agents").fetchone()[0] == 2
