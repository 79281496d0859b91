"""Bad files get an error that names the place; good lines are kept only when asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin.importers.decoding import decode
from admin.importers.events import read_events
from admin.importers.knowledge import parse_knowledge, read_knowledge
from admin.importers.tickets import read_tickets
from bot.errors import BadData

RU = "question,answer,category\nКак сменить пароль?,Откройте настройки и нажмите «Пароль».,Доступ\n"


def codes(data: str | bytes) -> list[tuple[int, str]]:
    parsed = parse_knowledge(data.encode() if isinstance(data, str) else data)
    return [(problem.line, problem.code) for problem in parsed.problems]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no file"):
        read_knowledge(tmp_path / "none.csv")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="folder"):
        read_knowledge(tmp_path)


@pytest.mark.parametrize("data", [b"", b"  \r\n\t\n", b"\xef\xbb\xbf"])
def test_empty(data: bytes) -> None:
    with pytest.raises(BadData, match="empty"):
        parse_knowledge(data)


def test_header_alone() -> None:
    with pytest.raises(BadData, match="no rows"):
        parse_knowledge(b"question,answer\n").accepted(partial=True)


def test_missing_column_is_named_with_those_found() -> None:
    with pytest.raises(BadData, match=r"'answer'; found: 'question', 'reply'") as caught:
        parse_knowledge(b"question,reply\na,b\n")
    assert "question,answer" in (caught.value.remedy or "")


def test_a_first_line_without_end_is_no_header() -> None:
    with pytest.raises(BadData, match="first line is too long"):
        parse_knowledge(b"question," * 20_000 + b"\na,b\n")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (r'{"name": "a", "at": 1, "customer": "\ud800"}', "not-json"),
        (r'{"name": "a", "at": 1, "half\udc00": "x"}', "not-json"),
        ('{"name": "a", "at": 1%s}' % ("0" * 400), "not-a-time"),
        ('{"name": {}, "at": 1}', "bad-event"),
        ('{"name": "a", "at": [1]}', "not-a-time"),
    ],
)
def test_an_odd_event_is_named(tmp_path: Path, line: str, code: str) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(f'{{"name": "good", "at": 1}}\n{line}\n')
    found = read_events(file, 1_800_000_000.0)
    assert [row.name for row in found.rows] == ["good"]
    assert [(one.line, one.code) for one in found.problems] == [(2, code)]


def test_half_a_character_in_the_counters_of_a_table_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text('name,at,counters\na,1,"{""n\\ud800"": 1}"\n')
    assert [one.code for one in read_events(file, 2e9).problems] == ["not-json"]


def test_utf16_is_named() -> None:
    with pytest.raises(BadData, match="UTF-16"):
        decode(RU.encode("utf-16"))


@pytest.mark.parametrize("encoding", ["koi8-r", "cp866", "iso8859-5"])
def test_other_cyrillic_tables_are_refused_with_the_byte(encoding: str) -> None:
    data = RU.replace("«", "").replace("»", "").encode(encoding)
    with pytest.raises(BadData, match=r"byte 0x[0-9A-F]{2} at position \d+ \(line 2\)"):
        decode(data)


def test_latin_1_is_refused() -> None:
    with pytest.raises(BadData, match="neither"):
        decode("question,answer\nWhere is the café?,Près de la gare, à côté\n".encode("latin-1"))


def test_random_bytes_are_refused() -> None:
    with pytest.raises(BadData, match="neither"):
        decode(bytes(range(1, 256)) * 4)


def test_damaged_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(BadData, match="line 2"):
        decode(RU.encode().replace("пароль".encode(), "паро".encode() + b"\xd0", 1))


def test_empty_fields_nul_and_length() -> None:
    data = "question,answer\n,a\nb,\nc\x00,d\n" + "e" * 4001 + ",f\ng,h\n"
    assert codes(data) == [
        (2, "empty-field"), (3, "empty-field"), (4, "null-character"), (5, "too-long"),
    ]  # fmt: skip


def test_wrong_number_of_fields() -> None:
    assert codes("question,answer\na,b,c\nd\ne,f\n") == [
        (2, "wrong-field-count"),
        (3, "wrong-field-count"),
    ]


def test_unclosed_quote_costs_one_line_only() -> None:
    parsed = parse_knowledge(b'question,answer\na,b\nc,"d\ne,f\ng,h\n')
    assert [(p.line, p.code) for p in parsed.problems] == [(3, "unbalanced-quote")]
    assert [row.question for row in parsed.rows] == ["a", "e", "g"]


def test_line_numbers_count_lines_inside_quotes() -> None:
    assert codes('question,answer\na,"one\ntwo\nthree"\n,b\n') == [(5, "empty-field")]


def test_good_lines_only_with_partial() -> None:
    parsed = parse_knowledge(b"question,answer\na,b\n,c\n")
    with pytest.raises(BadData, match=r"1 bad line.*\n.*line 3: 'question' is empty") as caught:
        parsed.accepted(partial=False)
    assert "--partial" in (caught.value.remedy or "")
    assert len(parsed.accepted(partial=True)) == 1


def test_many_bad_lines_stop_early() -> None:
    parsed = parse_knowledge(b"question,answer\n" + b'x,"y\n' * 5000)
    assert parsed.problems[-1].code == "too-many"
    assert len(parsed.problems) == 1001


def test_json_lines_errors(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    path.write_text(
        '{"text": "a", "category": "b"}\n{"text"\n[1]\n{"text": "c"}\n'
        '{"text": "d", "category": "e", "answer_id": "x"}\n'
    )
    parsed = read_tickets(path)
    assert [(p.line, p.code) for p in parsed.problems] == [
        (2, "not-json"), (3, "not-json"), (4, "empty-field"), (5, "not-a-number"),
    ]  # fmt: skip
    assert len(parsed.rows) == 1
