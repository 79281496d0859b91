"""The replay goes through the real server: import, training, Telegram, comparison."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from admin.cli import run
from admin.demo.company import load_company


def write(path: Path, header: list[str], rows: list[list[str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def test_replay_reports_both_sides_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    entries = [entry for entry in load_company().entries if entry.language == "en"][:10]
    columns = ["text", "category", "kb_answer"]
    knowledge = [[entry.asked[0], entry.answer, entry.category] for entry in entries]
    train = [[text, entry.category, entry.answer] for entry in entries for text in entry.asked[1:]]
    test = [[entry.kept[0], entry.category, entry.answer] for entry in entries[:10]]
    arguments = [
        "evaluate", "replay", "--json", "--preset", "fast", "--repeat", "2", "--per-second", "100",
        "--knowledge", write(tmp_path / "kb.csv", ["question", "answer", "category"], knowledge),
        "--train", write(tmp_path / "train.csv", columns, train),
        "--test", write(tmp_path / "test.csv", columns, test),
    ]  # fmt: skip
    assert run(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["corpus"] == {"knowledge_rows": 10, "train": len(train), "test": 10}
    server = report["server"]
    assert (server["sent"], server["lost"]) == (20, 0)
    assert server["category_top3"] > 0.3
    assert server["answer_top5"] > 0.3
    assert 0 < server["update_to_suggestion_ms"]["p50"] <= server["update_to_suggestion_ms"]["p99"]
    assert report["tfidf"]["answer_top5"] > 0.2
    assert {path.name for path in tmp_path.iterdir()} == {"kb.csv", "train.csv", "test.csv", "tmp"}
    assert not list((tmp_path / "tmp").glob("neurobot*"))


def test_replay_of_missing_files(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--knowledge", "none.csv", "--train", "none.csv", "--test", "none.csv"]
    assert run(["evaluate", "replay", *files]) == 65
    assert "no file" in capsys.readouterr().err
