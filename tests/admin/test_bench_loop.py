"""A short run of the loop's bench: a server in a process of its own, asked while it trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin.cli import run

SAID = {
    "card": ["order a new card", "my card is lost", "how do I replace the card", "card expired"],
    "login": ["forgot my password", "cannot sign in", "change the password", "reset password"],
    "ship": ["where is my parcel", "parcel is late", "how long is delivery", "no parcel yet"],
    "refund": ["I want my money back", "refund of goods", "when is money returned", "refund"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    answers = [
        {"id": name, "text": f"This is done on the page about {name}.", "category": name}
        for name in SAID
    ]
    questions = [
        {"question": text, "answers": [name], "split": "test" if place == 3 else "train"}
        for name, asked in SAID.items()
        for place, text in enumerate(asked)
    ]
    for name, rows in (("answers", answers), ("questions", questions)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_nothing_fails_while_models_are_trained_and_change_places(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = ["--per-second", "8", "--seconds", "0.5", "--swaps", "2", "--clients", "2"]
    more = ["--n", "30", "--preset", "fast", "--shadow", "--json"]
    assert run(["bench", "loop", "--folder", str(folder), *load, *more]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"]["articles"] == 30
    phases = report["phases"]
    assert set(phases) == {"before", "training", "after", "quiet"}
    assert phases["quiet"]["n"] == phases["before"]["n"] + phases["after"]["n"] >= 4
    assert [found["failed"] for found in phases.values()] == [0, 0, 0, 0]
    assert all(0 < found["p50"] <= found["p99"] for found in phases.values())
    assert report["training"]["p99_ratio"] > 0
    assert report["shadow"]["with"]["failed"] == 0
    swaps = report["swaps"]
    assert (swaps["failed"], swaps["same"], swaps["asked"]) == (0, 50, 50)
    assert swaps["live_again"]
    assert swaps["rollback_ms"]["max"] >= swaps["rollback_ms"]["median"] > 0


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "loop", "--folder", str(tmp_path / "none")]) == 65
    assert "There is no folder" in capsys.readouterr().err
