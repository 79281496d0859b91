"""Edit distance against the plain algorithm, and what a reply says of suggestions."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from bot.desk.distance import edit_distance
from bot.desk.files import safe_name


def plain_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
    return row[-1]


@given(st.text("abя ", max_size=40), st.text("abя ", max_size=40))
def test_distance_is_levenshtein(a: str, b: str) -> None:
    assert edit_distance(a, b) == plain_distance(a, b)


@given(st.text(max_size=80), st.text(max_size=80))
def test_distance_is_symmetric_and_bounded(a: str, b: str) -> None:
    found = edit_distance(a, b)
    assert found == edit_distance(b, a)
    assert abs(len(a) - len(b)) <= found <= max(len(a), len(b))


def test_long_texts_are_quick() -> None:
    started = time.perf_counter()
    edit_distance("слово " * 660, "другое " * 570)
    assert time.perf_counter() - started < 0.5


@given(st.text(max_size=300))
def test_file_names_are_safe(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 120
    assert not set(safe) & set('/\\:*?"<>|\n\r\x00')
    assert safe not in {".", ".."}


def test_file_names_keep_their_ending() -> None:
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("C:\\Users\\a\\счёт.pdf") == "счёт.pdf"
    assert safe_name("x" * 300 + ".pdf").endswith(".pdf")
    assert safe_name("  ") == "file"
