"""``neurobot export`` and ``neurobot erase`` on a folder without a server."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from admin.cli import run
from bot.domain import Decision, Inbound, Reasons, Suggestion, Suggestions
from bot.settings import Settings
from bot.store import Store

SECRET = "my parrot Kesha chewed the router"


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A folder with one customer who was shown two suggestions."""

    async def fill() -> None:
        store = Store.open(Settings(data_dir=str(tmp_path / "data")))
        [receipt] = await store.conversations.receive(
            [Inbound("telegram", "m1", "5551234567", SECRET, 1.0)]
        )
        items = tuple(Suggestion(key, "Text", "", "", "en", 0.5, True, Reasons()) for key in (1, 2))
        found = Suggestions((), items, False, "en", "v1", 1, False, 1.0)
        await store.conversations.save_suggestions(receipt.message_id, found, Decision.SUGGEST)
        await store.close()

    asyncio.run(fill())
    return str(tmp_path / "data")


def test_the_ledger_as_lines(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "ledger.jsonl"
    assert run(["--data-dir", data, "export", "ledger", str(target)]) == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(row["answer_id"], row["rank"], row["verdict"]) for row in rows] == [
        (1, 1, None), (2, 2, None),
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    assert "2 records" in capsys.readouterr().err


def test_the_ledger_on_the_output(data: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["--data-dir", data, "export", "ledger", "-"]) == 0
    assert len(capfdbinary.readouterr().out.splitlines()) == 2


def test_export_says_what_is_wrong(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--data-dir", str(tmp_path / "none"), "export", "ledger", "-"]) == 1
    assert "--data-dir" in capsys.readouterr().err
    assert run(["--data-dir", data, "export", "ledger", str(tmp_path / "no" / "x")]) == 1
    assert "no/" in capsys.readouterr().err


def test_erasure_is_shown_asked_done_and_checked(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = "telegram:5551234567"
    assert run(["--data-dir", data, "erase", person, "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"]["messages"] == 1
    assert run(["--data-dir", data, "erase", person, "--check"]) == 3
    assert "messages.text" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["--data-dir", data, "erase", person]) == 130  # nobody said yes
    assert SECRET.encode() in (Path(data) / "neurobot.db").read_bytes()
    capsys.readouterr()
    assert run(["--data-dir", data, "erase", person, "--yes"]) == 0
    assert "found nowhere" in capsys.readouterr().out
    assert SECRET.encode() not in (Path(data) / "neurobot.db").read_bytes()
    assert run(["--data-dir", data, "erase", person, "--check"]) == 0
    assert run(["--data-dir", data, "erase", person, "--yes"]) == 1
    assert "There is no customer" in capsys.readouterr().err
