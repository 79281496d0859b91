"""Tables as files: no cell is a formula, none breaks its row."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from admin.pages.tables import csv_response

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00")
FORMULAS = [f"{start}cmd|' /C calc'!A0" for start in STARTS] + [
    " =1+1", "\u200b=1+1", '"=1+1"', "=1+1;2", "=HYPERLINK(\"//evil.example\")", "＝1+1",
    "\ufeff=1",
    "-2+3", "+7 900 123-45-67", "@SUM(A1)", "a\n=1+1", "a\r=1+1", "a,=1+1",
]  # fmt: skip


def read(*cells: object) -> list[str]:
    text = csv_response("t", ["a"], [cells]).text
    assert text is not None
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 2
    return rows[1]


def test_no_cell_is_a_formula(record_property) -> None:
    shown = read(*FORMULAS)
    # Source: OWASP, CSV Injection
    assert not [cell for cell in shown if cell.startswith(STARTS)]
    assert not [cell for cell in shown if cell.strip(" \u200b\ufeff").startswith(tuple("=+-@"))]
    record_property("figure", f"{len(FORMULAS)} formulas, 0 left as formulas")


def test_numbers_stay_numbers() -> None:
    assert read(-5, 0.25, "plain") == ["-5", "0.25", "plain"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_every_text_stays_one_cell(cells: list[str]) -> None:
    shown = read(*cells)
    assert len(shown) == len(cells)
    for cell, given_text in zip(shown, cells, strict=True):
        assert cell.removeprefix("'") == given_text.replace("\x00", "\ufffd").removeprefix("'")
