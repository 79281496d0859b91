"""Broken files are named with line and reason and end with 65, never with a traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from admin.cli import run
from admin.evaluate.corpus import read_corpus
from admin.evaluate.files import classifier_plan
from bot.errors import BadData

ANSWERS = '{"id": "a", "text": "Open Settings."}\n{"id": "b", "text": "Pay by card."}\n'


def folder(path: Path, questions: str, answers: str = ANSWERS) -> Path:
    path.mkdir(exist_ok=True)
    (path / "answers.jsonl").write_text(answers, encoding="utf-8")
    (path / "questions.jsonl").write_text(questions, encoding="utf-8")
    return path


def question(**fields: object) -> str:
    return json.dumps({"question": "How?", "answers": ["a"], "split": "test"} | fields) + "\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{broken\n", "not JSON"),
        ("[" * 100_000 + "\n", "not JSON"),
        ("[1]\n", "not a JSON object"),
        (question(question=None), "'question' is missing"),
        (question(question=5), "'question' is not a text"),
        (question(question="  "), "'question' is empty"),
        (question(answers=None), "'answers' is missing"),
        (question(answers="a"), "'answers' is not a list"),
        (question(answers=["z"]), "'answers' names 'z'"),
        (question(pool=["a", "z"]), "'pool' names 'z'"),
        (question(split="exam"), "'split' is 'exam'"),
        (question(fold="1"), "'fold' is not a whole number"),
        (question(fold=-1), "'fold' is not a whole number"),
        (question(fold=True), "'fold' is not a whole number"),
    ],
)
def test_a_bad_question_is_named_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(BadData) as caught:
        read_corpus(folder(tmp_path, question() + line))
    assert "line 2: " in caught.value.detail
    assert reason in caught.value.detail


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("", "is empty"),
        ('{"id": "a"}\n', "'text' is missing"),
        ('{"text": "x"}\n', "'id' is missing"),
        (ANSWERS + '{"id": "a", "text": "again"}\n', "'a' stands on several lines"),
    ],
)
def test_bad_answers(tmp_path: Path, answers: str, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        read_corpus(folder(tmp_path, question(), answers))


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        (question(split="train"), "no question is in 'test'"),
        (question() + question(question="b", split=None), "some have a 'split'"),
        (question(fold=0, split=None) + question(question="b", split=None), "some have a 'fold'"),
    ],
)
def test_questions_that_fit_no_part(tmp_path: Path, questions: str, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        read_corpus(folder(tmp_path, questions))


def test_an_unknown_fold_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no fold 7; found: 0, 1\."):
        read_corpus(folder(tmp_path, question(fold=0) + question(question="b", fold=1)), fold=7)


def test_a_torn_gzip_file(tmp_path: Path) -> None:
    folder(tmp_path, question())
    (tmp_path / "questions.jsonl").unlink()
    whole = gzip.compress((question() * 50).encode())
    for data in (whole[: len(whole) // 2], b"no gzip at all", whole[:20] + b"\xff" * 20):
        (tmp_path / "questions.jsonl.gz").write_bytes(data)
        with pytest.raises(BadData, match="gzip"):
            read_corpus(tmp_path)


def test_other_encodings(tmp_path: Path) -> None:
    folder(tmp_path, question())
    (tmp_path / "answers.jsonl").write_bytes('{"id": "a", "text": "Да"}'.encode("cp1251"))
    with pytest.raises(BadData, match="not UTF-8: line 1"):
        read_corpus(tmp_path)


def test_commands_end_with_65(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "ranker", str(tmp_path / "none")]) == 65
    assert "There is no folder" in capsys.readouterr().err
    assert run(["evaluate", "ranker", str(tmp_path), "--json"]) == 65
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "bad-data"
    assert run(["evaluate", "ranker", str(folder(tmp_path / "f", "{\n"))]) == 65
    assert "line 1: not JSON" in capsys.readouterr().err


def table(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_classifier_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = table(
        tmp_path / "good.csv", "text,category\n" + "".join(f"t{i},{i % 2}\n" for i in range(12))
    )
    one = table(tmp_path / "one.csv", "text,category\na,x\nb,x\n")
    few = table(tmp_path / "few.csv", "text,category\na,x\nb,y\n")
    empty = table(tmp_path / "empty.txt", " \n \n")
    rows = table(tmp_path / "rows.jsonl", '{"text": 5}\n')
    bare = table(tmp_path / "kb.csv", "question,answer\nq,a\n")
    for arguments, reason in (
        (["none.csv", good], "no file"),
        ([one, good], "one category"),
        ([few, good], "too few"),
        ([good, table(tmp_path / "bad.csv", "text,category\n,x\n")], "line 2"),
        ([good, good, "--oos", empty], "empty"),
        ([good, good, "--oos", rows], "line 1: there is no 'text'"),
        ([good, good, "--kb", bare], "no row has a category"),
        ([good, "--folds", "40"], "too few"),
    ):
        assert run(["evaluate", "classifier", *arguments]) == 65, arguments
        assert reason in capsys.readouterr().err


def test_lines_without_text_are_passed_over_and_counted(tmp_path: Path) -> None:
    lines = "".join(f"t{i},{i % 2}\n" for i in range(12))
    train = Path(table(tmp_path / "train.csv", f"text,category\n{lines},1\n"))
    test = Path(table(tmp_path / "test.csv", f"text,category\n,0\n{lines}"))
    plan = classifier_plan(
        train, test, valid=None, oos=None, knowledge=None, unlabelled=None, preset="default",
        seeds=1, folds=0, variants=(),
    )  # fmt: skip
    assert (len(plan.train), len(plan.test), plan.without_text) == (12, 12, 2)
    broken = Path(table(tmp_path / "broken.csv", f"text,category\n{lines}only a text\n"))
    with pytest.raises(BadData, match="line 14"):
        classifier_plan(
            broken, test, valid=None, oos=None, knowledge=None, unlabelled=None,
            preset="default", seeds=1, folds=0, variants=(),
        )  # fmt: skip


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "classifier", "t.csv"]) == 2
    assert "--folds" in capsys.readouterr().err
    assert run(["evaluate", "classifier", "t.csv", "u.csv", "--preset", "magic"]) == 2
    expected = "no preset 'magic'; there are default, fast, seed, ff, cnn, rnn, auto"
    assert expected in capsys.readouterr().err
    assert run(["evaluate", "ranker", "f", "--preset", "magic"]) == 2
    assert "no preset 'magic'" in capsys.readouterr().err
