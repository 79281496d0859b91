"""``evaluate content`` and ``bench content``: files of the documented form, broken ones named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from admin.cli import run
from admin.evaluate.content import evaluate, read_pages
from bot.errors import BadData

TOPICS = ("umbrella folding", "boots rubber", "kettle copper", "ladder wooden", "candle beeswax")
FILLER = "Keep it dry and clean, and bring it back within two weeks if it does not suit you at all."


def pages(lang: str = "en") -> list[dict]:
    """Pages in pairs: each names the other of its topic in its text, and links to it."""
    found = []
    for topic in TOPICS:
        for part, other in (("care", "price"), ("price", "care")):
            found.append({
                "lang": lang, "path": f"{topic.split()[0]}/{part}",
                "title": f"{topic} {part}", "h1": "", "headings": [f"About {topic}"],
                "text": f"{FILLER} See {topic} {other} for more. {topic} {topic}.",
                "links": [f"{topic.split()[0]}/{other}", "elsewhere/page"],
            })  # fmt: skip
    return found


def write(path: Path, rows: list[dict]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["pages.jsonl", "pages.jsonl.gz"])
def test_the_report_has_both_languages_and_the_peer(tmp_path, capsys, name) -> None:
    file = write(tmp_path / name, [*pages("en"), *pages("ru")])
    assert run(["evaluate", "content", str(file), "--tags", "12", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.keys() == {"ru", "en"}
    for found in report.values():
        assert found["ours"]["recall_at_10"] == 1.0
        assert found["ours"]["query_ms"]["p50"] > 0
        assert 0 < found["peers"]["bm25s"]["recall_at_10"] <= 1
        assert (found["pages"], found["asked"], found["tags"]) == (10, 10, 12)


def test_the_links_are_read_for_the_score_alone(tmp_path) -> None:
    rows = pages()
    right = evaluate(read_pages(write(tmp_path / "a.jsonl", rows)), tags=30)
    for row in rows:
        row["links"] = ["boots/care", "candle/price"]
    wrong = evaluate(read_pages(write(tmp_path / "b.jsonl", rows)), tags=30)
    assert wrong["en"]["ours"]["recall_at_10"] <= right["en"]["ours"]["recall_at_10"]


def test_short_pages_are_left_out_and_porter_stems_too(tmp_path, capsys) -> None:
    short = {"lang": "en", "path": "x", "text": "short", "links": []}
    beginning = {**short, "path": "y", "chars": 4_000}
    file = write(tmp_path / "pages.jsonl", [*pages(), short, beginning])
    assert run(["evaluate", "content", str(file), "--stemmer", "porter"]) == 0
    assert "neurobot" in capsys.readouterr().out
    assert len(read_pages(file)["en"]) == 11


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lang": ""}, "'lang' is empty"),
        ({"path": None}, "'path' is missing"),
        ({"links": "a/b"}, "'links' is not a list of texts"),
        ({"headings": [1]}, "'headings' is not a list of texts"),
        ({"title": 5}, "'title' is not a text"),
        ({"path": "umbrella/care"}, "stands on several lines"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, change, said) -> None:
    rows = pages()
    rows[3] = {**rows[3], **change}
    with pytest.raises(BadData, match=said):
        read_pages(write(tmp_path / "pages.jsonl", rows))


def test_pages_without_links_cannot_be_judged(tmp_path) -> None:
    rows = [{**row, "links": ["elsewhere"]} for row in pages()]
    with pytest.raises(BadData, match="No page links"):
        evaluate(read_pages(write(tmp_path / "pages.jsonl", rows)), tags=30)
    with pytest.raises(BadData, match="no page has a text"):
        read_pages(write(tmp_path / "none.jsonl", [{"lang": "en", "path": "a", "text": "b"}]))


def test_the_bench_reports_its_figures(capsys) -> None:
    assert run(["bench", "content", "--n", "300", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["results"]
    assert found["n"] == 300
    assert found["page_updates_per_s"] > 100
    assert found["query_ms"]["p99"] >= found["query_ms"]["p50"] > 0
