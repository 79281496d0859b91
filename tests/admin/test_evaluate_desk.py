"""One's own history, played through the server's learning and answering."""

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


COLUMNS = ["text", "category", "kb_answer"]


def test_tickets_without_answers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knowledge = write(tmp_path / "kb.csv", ["question", "answer"], [["q", "a"]])
    bare = write(tmp_path / "bare.csv", ["text", "category"], [["t", "x"], ["u", "y"]])
    assert run(["evaluate", "desk", knowledge, bare]) == 65
    assert "No ticket says which answer was right" in capsys.readouterr().err
    few = write(tmp_path / "few.csv", COLUMNS, [["t", "x", "a"]])
    assert run(["evaluate", "desk", knowledge, few]) == 65
    assert "cannot be cut into 3 folds" in capsys.readouterr().err
    assert run(["evaluate", "desk", knowledge, few, "--preset", "magic"]) == 2
    assert run(["evaluate", "desk", "none.csv", few]) == 65


def test_a_young_desk_is_judged_without_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knowledge = write(
        tmp_path / "kb.csv",
        ["question", "answer", "category"],
        [
            ["how do I pay", "Cards are accepted.", "pay"],
            ["can I pay by card", "cards  are accepted.", "pay"],
            ["forgot my password", "Open settings.", "login"],
        ],
    )
    tickets = write(
        tmp_path / "tickets.csv",
        COLUMNS,
        [
            ["how do i pay?", "pay", "Cards are accepted."],
            ["my password is forgotten", "login", "Open settings."],
            ["weather", "other", "An answer that nobody wrote."],
            ["no answer known", "other", ""],
        ],
    )
    assert run(["evaluate", "desk", knowledge, tickets, "--folds", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"] == {
        "articles": 2, "tickets": 4, "with_answer": 3, "answer_not_in_knowledge_base": 1,
        "folds": 2,
    }  # fmt: skip
    assert report["ours"]["hit_at_1"] == report["ours"]["hit_at_5"] == 0.6667
    assert report["ours"]["category_accuracy"] is None
    assert report["ours"]["auto_share"] == 0  # three tickets promise nothing
    assert report["ours"]["auto_precision"] is None


def test_history_of_the_sample_company(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [entry for entry in load_company().entries if entry.language == "en"][:16]
    knowledge = [[entry.asked[0], entry.answer, entry.category] for entry in entries]
    tickets = [
        [text, entry.category, entry.answer] for entry in entries for text in entry.asked[1:]
    ]
    arguments = [
        write(tmp_path / "kb.csv", ["question", "answer", "category"], knowledge),
        write(tmp_path / "tickets.csv", COLUMNS, tickets),
        "--folds", "2", "--preset", "fast", "--precision", "0.8",
    ]  # fmt: skip
    assert run(["evaluate", "desk", *arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    ours, plain = report["ours"], report["peers"]["tfidf"]
    assert ours["hit_at_1"] <= ours["hit_at_3"] <= ours["hit_at_5"] <= 1
    assert ours["hit_at_5"] > 0.4
    assert 0 < ours["category_accuracy"] <= 1
    assert 0 <= ours["auto_share"] <= 1
    assert set(plain) == {"hit_at_1", "hit_at_3", "hit_at_5"}
