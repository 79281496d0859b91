"""Articles written twice, and what changed between two forms of one."""

from __future__ import annotations

from html import unescape

import pytest
from markupsafe import Markup

from admin.pages.differences import changes, marked
from admin.pages.likeness import find_pairs
from bot.domain import Article
from bot.store.records import ArticleVersion

TEXT = "Open Billing, choose Payment methods and press Add a card, then confirm it by code."


def article(number: int, text: str, *questions: str, language: str = "en", title: str = ""):
    return Article(number, title, text, "", language, questions, 0.0, 0.0)


def test_nearly_equal_answers_of_one_language_are_duplicates() -> None:
    listed = [
        article(1, TEXT, "how to add a card"),
        article(2, TEXT.replace("press", "click"), "how to add a card"),
        article(3, "Something of another kind entirely, about delivery times.", "when"),
        article(4, TEXT, language="ru"),
    ]
    (pair,) = find_pairs(listed)
    assert (pair.first, pair.second, pair.kind) == (1, 2, "duplicate")
    assert 0.7 <= pair.likeness < 1


def test_one_question_with_two_answers_is_a_conflict() -> None:
    listed = [
        article(5, "Yes, within fourteen days.", "Can I return it?"),
        article(9, "No, sales are final here.", title="can i return it"),
        article(7, "Ask in the shop.", "Where are you?", ""),
    ]
    (pair,) = find_pairs(listed)
    assert (pair.first, pair.second, pair.kind) == (5, 9, "conflict")
    assert pair.question == "Can I return it?"
    assert find_pairs([]) == []


def test_many_articles_with_one_question_give_a_chain() -> None:
    listed = [article(n, f"answer number {n} says {n * 7}", "same?") for n in range(1, 51)]
    assert len([p for p in find_pairs(listed) if p.kind == "conflict"]) < 50


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a b", "a b", "a b"),
        ("open the door", "open a door", "open <del>the</del><ins>a</ins> door"),
        ("", "x <b>", "<ins>x &lt;b&gt;</ins>"),
        ("x", "", "<del>x</del>"),
    ],
)
def test_words_that_came_and_went_are_marked(before: str, after: str, shown: str) -> None:
    drawn = marked(before, after)
    assert isinstance(drawn, Markup)
    assert drawn == shown


def test_very_long_texts_are_compared_by_lines() -> None:
    before = "\n".join(f"line {n}" for n in range(3000))
    drawn = marked(before, before.replace("line 7\n", "row 7\n"))
    assert "<del>line 7\n</del><ins>row 7\n</ins>" in unescape(drawn)


def version(**fields) -> ArticleVersion:
    form = {"title": "", "text": "a", "category": "", "language": "en", "questions": ("q",)}
    return ArticleVersion(id=1, article_id=1, at=0.0, actor="", action="", **{**form, **fields})


def test_only_changed_fields_are_shown() -> None:
    found = changes(version(), version(text="b", questions=("q", "<r>")))
    assert [change.field for change in found] == ["text", "questions"]
    assert found[1].shown == "<ins>&lt;r&gt;</ins>"
    assert [change.field for change in changes(None, version())] == [
        "text", "language", "questions",
    ]  # fmt: skip
    assert changes(version(), version()) == []
