"""Good files in every shape people have them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from admin.importers.decoding import decode
from admin.importers.knowledge import parse_knowledge, read_knowledge
from admin.importers.tickets import match_answers, read_tickets
from bot.domain import Article

RU = "question,answer,category\nКак сменить пароль?,Откройте настройки и нажмите «Пароль».,Доступ\n"


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("cp1251", "cp1251")]
)
def test_encodings(encoding: str, named: str) -> None:
    parsed = parse_knowledge(RU.encode(encoding))
    assert parsed.encoding == named
    assert parsed.rows[0].question == "Как сменить пароль?"
    assert parsed.rows[0].category == "Доступ"
    assert parsed.rows[0].language == "ru"


def test_russian_with_brand_names_in_cp1251() -> None:
    text = (
        "question,answer\nКак связать WhatsApp?,Включите QR-код и USB-порт на Windows-компьютере\n"
    )
    assert decode(text.encode("cp1251"))[1] == "cp1251"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_extra_columns_and_header_case(delimiter: str) -> None:
    text = (
        delimiter.join(["Topic", " Question", "ANSWER"])
        + "\r\n"
        + delimiter.join(["x", "q", "a"])
        + "\r\n"
    )
    parsed = parse_knowledge(text.encode())
    assert (parsed.rows[0].question, parsed.rows[0].answer, parsed.rows[0].line) == ("q", "a", 2)


def test_quoted_fields_and_blank_lines() -> None:
    parsed = parse_knowledge(b'question,answer\n\n"a, ""b""","line 1\nline 2"\n,\n')
    assert parsed.rows[0].question == 'a, "b"'
    assert parsed.rows[0].answer == "line 1\nline 2"
    assert not parsed.problems


def test_language_option_and_column() -> None:
    parsed = parse_knowledge(b"question,answer,lang\na,b,en\nc,d,\n", language="ru")
    assert [row.language for row in parsed.rows] == ["en", "ru"]


def test_right_to_left_text_is_kept() -> None:
    parsed = parse_knowledge("question,answer\n\u202eabc,مرحبا\n".encode())
    assert parsed.rows[0].question == "\u202eabc"


def test_ten_thousand_rows_are_read_in_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text(
        "question,answer,category\n"
        + "".join(
            f"Вопрос номер {i}?,Ответ номер {i} с подробностями.,К{i % 50}\n" for i in range(10_000)
        ),
        encoding="cp1251",
    )
    began = time.perf_counter()
    assert len(read_knowledge(path).accepted(partial=False)) == 10_000
    assert time.perf_counter() - began < 3


def test_tickets_find_their_articles_by_text(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("text,category,kb_answer\nq1,c,  Open   settings. \nq2,c,unknown\nq3,c,\n")
    article = Article(7, "t", "Open settings.", "c", "en", (), 0.0, 0.0)
    tickets, unmatched = match_answers(read_tickets(path).rows, [article])
    assert [ticket.answer_id for ticket in tickets] == [7, None, None]
    assert unmatched == 1
