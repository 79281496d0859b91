"""Tables as people save them: what is understood, and what is said about the rest."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from admin.insights import reading
from admin.insights.table import Table, from_columns, read_table
from bot.errors import BadData, TooLarge

ROWS = 40


def write(path: Path, columns: dict[str, list[str]], *, delimiter: str = ",",
          encoding: str = "utf-8") -> Path:  # fmt: skip
    lines = [delimiter.join(columns)]
    lines += [delimiter.join(fields) for fields in zip(*columns.values(), strict=True)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def ordinary(**more: list[str]) -> dict[str, list[str]]:
    return {
        "logins": [str(row % 7) for row in range(ROWS)],
        "plan": [("free", "team", "firm")[row % 3] for row in range(ROWS)],
        **more,
        "left": ["yes" if row % 3 == 0 else "no" for row in range(ROWS)],
    }


def codes(table: Table) -> dict[str, str]:
    return {str(notice.params.get("column", "")): notice.code for notice in table.notices}


def kinds(table: Table) -> dict[str, tuple[str, str]]:
    return {column.name: (column.kind, column.role) for column in table.columns}


def test_an_ordinary_table(tmp_path: Path) -> None:
    names = [f"company {row}" for row in range(ROWS)]
    columns = {"company_id": names, **ordinary()}
    table = read_table(write(tmp_path / "a.csv", columns), target="left")
    assert kinds(table) == {
        "company_id": ("id", "id"), "logins": ("number", "counter"),
        "plan": ("category", "counter"), "left": ("yes/no", "target"),
    }  # fmt: skip
    assert (table.ids[:2], table.positive) == (("company 0", "company 1"), "yes")
    assert table.target is not None
    assert table.target[:4].tolist() == [True, False, False, True]
    logins = next(one for one in table.understood() if one["name"] == "logins")
    assert logins == {"name": "logins", "kind": "number", "role": "counter", "blanks": 0,
                      "distinct": 7, "low": 0.0, "high": 6.0,
                      "mean": pytest.approx(2.875)}  # fmt: skip


def test_windows_1251_with_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    columns = {
        "тариф": ["городской" if row % 2 else "сельский" for row in range(ROWS)],
        "выручка": [f"1 {row + 100},5" for row in range(ROWS)],
        "скидка": [f"0,{row % 9}" for row in range(ROWS)],
        "ушёл": ["да" if row % 4 == 0 else "нет" for row in range(ROWS)],
    }
    path = write(tmp_path / "a.csv", columns, delimiter=";", encoding="cp1251")
    table = read_table(path, target="ушёл")
    assert table.positive == "да"
    values = {column.name: column.values for column in table.columns}
    assert values["выручка"][:2].tolist() == [1100.5, 1101.5]
    assert values["скидка"][3] == pytest.approx(0.3)
    assert kinds(table)["тариф"] == ("yes/no", "counter")


def test_quotes_tabs_and_gzip(tmp_path: Path) -> None:
    body = "note\tvalue\tleft\n" + "".join(
        f'"a ""word""\n in {row % 2} lines"\t"{row},25"\t{row % 2}\n' for row in range(ROWS)
    )
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(body.encode()))
    table = read_table(path, target="left")
    assert table.columns[0].levels[0] == 'a "word"\n in 0 lines'
    assert table.columns[1].values[:2].tolist() == [0.25, 1.25]
    assert table.positive == "1"


def test_columns_that_cannot_help_are_named_and_left_out(tmp_path: Path) -> None:
    odd = ordinary(
        constant=["7"] * ROWS,
        blank=["", " "] * (ROWS // 2),
        since=[f"2026-01-{row % 28 + 1:02}" for row in range(ROWS)],
        until=[f"{row % 28 + 1:02}.03.2026 12:30" for row in range(ROWS)],
    )
    table = read_table(write(tmp_path / "a.csv", odd), target="left")
    assert codes(table) == {
        "constant": "constant-column", "blank": "blank-column", "since": "date-column",
        "until": "date-column", "": "few-positives",
    }  # fmt: skip
    assert {column.name for column in table.counters} == {"logins", "plan"}
    assert "'constant' has one value in every row" in table.notices[0].text


def test_free_text_and_running_numbers_are_no_counters() -> None:
    rows = range(1200)
    table = from_columns({
        "number": np.arange(1200), "note": [f"said {row}" for row in rows],
        "place": [f"village {row % 300}" for row in rows], "logins": np.arange(1200) % 50,
    })  # fmt: skip
    assert [column.name for column in table.counters] == ["logins"]
    assert codes(table) == {"note": "id-column", "place": "many-levels"}
    assert table.ids[:2] == ("0", "1")  # the running number is who they are


def test_text_infinity_and_blanks_in_a_number(tmp_path: Path) -> None:
    charges = [str(row) for row in range(ROWS)]
    charges[3], charges[5], charges[7], charges[9] = "unknown", "inf", "NaN", " "
    table = read_table(write(tmp_path / "a.csv", ordinary(charges=charges)), target="left")
    texts = {notice.code: notice.text for notice in table.notices}
    assert "1 fields are not (the first on line 5: 'unknown')" in texts["text-in-number"]
    assert "2 fields that are NaN or infinite" in texts["not-finite"]
    assert "blank in 1 rows" in texts["blanks"]
    column = next(column for column in table.columns if column.name == "charges")
    assert np.flatnonzero(np.isnan(column.values)).tolist() == [3, 5, 7, 9]


def test_numbers_in_the_first_piece_and_text_further_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE_ROWS", 10)
    region = [str(row % 3) if row < 20 else ("north", "south")[row % 2] for row in range(ROWS)]
    late = ["" if row < 20 else str(row) for row in range(ROWS)]
    table = read_table(write(tmp_path / "a.csv", ordinary(region=region, late=late)), target="left")
    assert kinds(table)["region"] == ("category", "counter")
    assert kinds(table)["late"] == ("number", "counter")
    assert table.n_rows == ROWS


@pytest.mark.parametrize(
    ("left", "positive", "words"),
    [
        (["no"] * ROWS, None, r"one value in every row: 'no' \(40\)"),
        ([""] * ROWS, None, "it is blank"),
        (["yes"] * 3 + ["no"] * (ROWS - 3), None, "has 3 rows of one kind; at least 10"),
        (["a", "b", "c", "d"] * 10, None, "4 values.* --positive"),
        (["yes", "no"] * 20, "maybe", "no value 'maybe'; it has 'yes'"),
    ],
)
def test_targets_that_teach_nothing(
    tmp_path: Path, left: list[str], positive: str | None, words: str
) -> None:
    path = write(tmp_path / "a.csv", ordinary() | {"left": left})
    with pytest.raises(BadData, match=words) as caught:
        read_table(path, target="left", positive=positive)
    assert caught.value.detail.startswith(str(path)) or caught.value.remedy


def test_few_positives_and_rows_without_a_target_are_told(tmp_path: Path) -> None:
    left = ["yes" if row % 3 == 0 else "no" for row in range(ROWS)]
    left[1] = left[2] = ""
    table = read_table(write(tmp_path / "a.csv", ordinary() | {"left": left}), target="left")
    assert [notice.code for notice in table.notices] == ["target-blank", "few-positives"]
    assert table.n_rows == ROWS - 2
    assert len(table.ids) == len(table.counters[0].values) == ROWS - 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,left\n", "no rows below the header"),
        (b"a,left\n1,0\n1,0,5\n", "line 3: 3 fields where the header has 2"),
        (b"a,a,left\n1,1,0\n", "names 'a' twice"),
        (b"a,b\n1,0\n", "no column 'left'; it has 'a', 'b'"),
        ("a,left\n".encode("utf-16"), "UTF-16"),
        (b"a,left\n\xff\xfe\x98\x00,1\n", "neither UTF-8 nor Windows-1251"),
        (b"not gzip", "no column 'left'"),
        ("a,left\nобычный,1\n".encode("cp1251") + b"\x98,0\n" * 9, "neither UTF-8 nor"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(BadData, match=words):
        read_table(path, target="left")


def test_missing_files_and_broken_archives(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="There is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BadData, match="is a folder"):
        read_table(tmp_path)
    (tmp_path / "a.csv.gz").write_bytes(b"a,left\n1,0\n")
    with pytest.raises(BadData, match="cannot be read"):
        read_table(tmp_path / "a.csv.gz")


def test_what_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", ordinary())
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    with pytest.raises(TooLarge, match="larger than"):
        read_table(path)
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MAX_COLUMNS", 2)
    with pytest.raises(TooLarge, match="3 columns; 2 are allowed"):
        read_table(path)


def test_columns_in_memory_must_fit() -> None:
    with pytest.raises(BadData, match="differ in length"):
        from_columns({"a": [1.0, 2.0], "b": [1.0]})
    with pytest.raises(BadData, match="differ in length"):
        from_columns({"a": [1.0, 2.0]}, target=np.array([True]))
    table = from_columns({"a": [1.0, np.inf]}, ids=["x", "y"])
    assert (table.ids, codes(table)) == (("x", "y"), {"a": "not-finite"})


def test_a_byte_far_down_that_is_no_letter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PIECE_BYTES", 64)
    path = tmp_path / "a.csv"
    path.write_bytes("слово,left\n".encode("cp1251") + "обычный,1\n".encode("cp1251") * 30
                     + b"\x98,0\n")  # fmt: skip
    with pytest.raises(BadData, match="byte 0x98"):
        read_table(path, target="left")


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    packed = gzip.compress("".join(f"{n},{n * n}\n" for n in range(2_000)).encode())
    for cut in (packed[:200], packed[:60] + b"\xff" * 40 + packed[100:], packed[:-4] + b"xxxx"):
        path.write_bytes(cut)
        with pytest.raises(BadData):
            read_table(path)
