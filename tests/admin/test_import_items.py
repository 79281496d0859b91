"""``import items``: CSV and JSONL into the catalogue, bad lines named."""

from __future__ import annotations

import json

import pytest

from admin.cli import run
from admin.importers.items import read_items

CSV = """id;title;kind;description;path;url;renewable_days
u1;"Зонт  складной";product;красный;зонты/u1;https://shop.example/u1;90
a1;Уход;article;;;/care;
a2;Уход;;;;;0,5
"""


@pytest.fixture
def file(tmp_path):
    def write(name, text, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_csv_in_either_encoding(file) -> None:
    for encoding in ("utf-8", "cp1251"):
        found = read_items(file("items.csv", CSV, encoding))
        first, second, third = found.rows
        assert (first.id, first.title, first.kind) == ("u1", "Зонт складной", "product")
        assert (first.renewable_s, second.renewable_s) == (90 * 86_400.0, None)
        assert (second.url, third.kind, third.renewable_s) == ("/care", "page", 43_200.0)
        assert not found.problems


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (";Title;;;;;", "empty-field"),
        ("x;;;;;;", "empty-field"),
        ("x;T;planet;;;;", "unknown-kind"),
        ("x;T;;;;javascript:alert(1);", "not-an-address"),
        ("x;T;;;;;soon", "not-a-number"),
        ("x;T;;;;;-1", "not-a-number"),
        ("x;T;;;;;nan", "not-a-number"),
        ("x;T", "wrong-field-count"),
        (f"x;{'T' * 501};;;;;", "too-long"),
    ],
)
def test_a_bad_line_is_named(file, line, code) -> None:
    found = read_items(file("items.csv", f"{CSV}{line}\n"))
    assert [(problem.line, problem.code) for problem in found.problems] == [(5, code)]
    assert found.problems[0].text
    assert len(found.rows) == 3


def test_into_the_catalogue(file, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("NEUROBOT_DATA_DIR", str(tmp_path / "data"))
    rows = [{"id": "u1", "title": "Зонт"}, {"id": "u1", "title": "Зонт складной"}]
    path = file("items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert run(["import", "items", str(path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == 1
    for _ in range(2):
        assert run(["import", "items", str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["items"], found["repeated"]) == (1, 1)
    assert run(["import", "items", str(file("bad.csv", "id,title\n,x\n"))]) == 65
    assert "line 2" in capsys.readouterr().err
