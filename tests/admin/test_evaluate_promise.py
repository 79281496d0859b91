"""The promise of a precision, on tickets written for it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from admin.cli import run

WORDS = {
    "card": ("card", "blocked", "expired", "plastic", "declined"),
    "ship": ("parcel", "courier", "delivery", "late", "address"),
    "refund": ("money", "refund", "return", "goods", "amount"),
}  # fmt: skip


def write(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return str(path)


@pytest.fixture
def tickets(tmp_path: Path) -> str:
    rows = [
        (f"please tell about {one} and {other} {number}", category)
        for category, words in WORDS.items()
        for number, one in enumerate(words)
        for other in words
        if other != one
    ]
    return write(tmp_path / "tickets.csv", ("text", "category"), rows)


def test_splits_are_pooled(
    tickets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knowledge = write(
        tmp_path / "kb.csv", ("question", "answer", "category"),
        [("where is my parcel", "It arrives in three days.", "ship")],
    )  # fmt: skip
    arguments = ["--splits", "2", "--precision", "0.9", "--preset", "fast", "--json"]
    assert run(["evaluate", "promise", tickets, "--kb", knowledge, *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["data"] == {"tickets": 60, "judged": 24, "splits": 2}
    assert (report["promise"], report["preset"]) == (0.9, "fast")
    ours, splits = report["ours"], report["splits"]
    assert len(splits) == 2
    assert ours["without_threshold"] == sum(one["threshold"] is None for one in splits)
    assert ours["coverage"] == pytest.approx(sum(one["coverage"] for one in splits) / 2, abs=1e-3)
    assert ours["accuracy"] > 0.8
    if ours["coverage"]:
        assert ours["precision_low"] < ours["precision"] <= 1


def test_bad_calls_are_told(tickets: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "promise", "none.csv"]) == 65
    assert "no file" in capsys.readouterr().err
    assert run(["evaluate", "promise", tickets, "--precision", "0.5"]) == 2
    assert "0.95" in capsys.readouterr().err
