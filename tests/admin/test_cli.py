"""Commands on a real data folder, data on standard output, everything else beside it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from admin.cli import run

KNOWLEDGE = (
    "question,answer,category,topic\n"
    "Как сменить пароль?,Откройте настройки и нажмите «Пароль».,Доступ,x\n"
    "Забыл пароль,Откройте настройки и нажмите «Пароль».,Доступ,x\n"
    "How do I pay?,By card under Billing.,Billing,y\n"
)
TICKETS = (
    "text,category,kb_answer,operator_answer\n"
    "не помню пароль,Доступ,Откройте настройки  и нажмите «Пароль».,Сделайте так\n"
    "pay by card?,Billing,,\n"
    "what now,Billing,An answer that nobody knows,\n"
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("kb.csv").write_text(KNOWLEDGE, encoding="cp1251")
    Path("tickets.csv").write_text(TICKETS, encoding="utf-8-sig")
    return str(tmp_path / "data")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    capsys.readouterr()
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_help_is_instant_and_light() -> None:
    code = (
        "import sys; import admin.cli as c; code = c.run(['--help']);"
        "print([m for m in ('aiohttp', 'numpy', 'torch', 'sqlite3') if m in sys.modules])"
    )
    best = 9.0
    for _ in range(5):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        # processor time: other tests may be running beside this one
        best = min(best, ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
        assert done.stdout.strip().endswith("[]")
    assert best < 0.3


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "serve",
        "import",
        "export",
        "erase",
        "train",
        "models",
        "evaluate",
        "users",
        "backup",
        "restore",
        "doctor",
        "openapi",
        "version",
    ],
)
def test_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\n  Example:\n" in shown  # on lines of its own, not run together
    assert f"\n    neurobot {command}" in shown
    assert "\\b" not in shown


def test_import_of_knowledge(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("--data-dir", data, "import", "knowledge", "kb.csv")
    dry = answer(capsys, *command, "--dry-run")
    assert (dry["added"], dry["duplicates"], dry["dry_run"]) == (2, 1, True)
    first = answer(capsys, *command)
    assert (first["added"], first["unchanged"]) == (2, 0)
    again = answer(capsys, *command)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)


def test_partial_import_keeps_the_good_lines(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("half.csv").write_text("question,answer\na?,b\n,c\nd?,e\n")
    found = answer(capsys, "--data-dir", data, "import", "knowledge", "half.csv", "--partial")
    assert found["added"] == 2
    assert [bad["line"] for bad in found["bad_lines"]] == [3]


def test_import_of_tickets_matches_articles(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "--data-dir", data, "import", "knowledge", "kb.csv")
    found = answer(capsys, "--data-dir", data, "import", "tickets", "tickets.csv")
    assert (found["rows"], found["with_answer"], found["unmatched"], found["added"]) == (3, 1, 1, 3)


def test_import_of_ten_thousand_rows(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"Question {i}?,Answer number {i}.,C{i % 40}\n" for i in range(10_000))
    Path("large.csv").write_text("question,answer,category\n" + rows)
    began = time.perf_counter()
    assert answer(capsys, "--data-dir", data, "import", "knowledge", "large.csv")["added"] == 10_000
    assert time.perf_counter() - began < 30


def test_users(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    added = answer(capsys, "--data-dir", data, "users", "add", "anna", "--role", "owner")
    assert "/sign-in/link/" in added["link"]
    answer(capsys, "--data-dir", data, "users", "add", "boris")
    assert answer(capsys, "--data-dir", data, "users", "role", "boris", "admin")["role"] == "admin"
    answer(capsys, "--data-dir", data, "users", "disable", "boris")
    listed = answer(capsys, "--data-dir", data, "users", "list")["users"]
    assert {user["login"]: bool(user["disabled_at"]) for user in listed} == {
        "anna": False,
        "boris": True,
    }


def test_backup_and_restore(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer(capsys, "--data-dir", data, "users", "add", "anna")
    assert answer(capsys, "--data-dir", data, "backup", "copies/b.db")["counts"]["agents"] == 1
    answer(capsys, "--data-dir", data, "users", "add", "boris")
    restored = answer(capsys, "--data-dir", data, "restore", "copies/b.db", "--yes")
    assert Path(restored["kept"]).exists()
    assert len(answer(capsys, "--data-dir", data, "users", "list")["users"]) == 1


def test_openapi_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "openapi")["openapi"].startswith("3.1")
    assert answer(capsys, "version")["version"]
