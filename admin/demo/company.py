"""The made-up company "Beresta": twin articles in Russian and English, and what its customers ask.

One question in eight is kept out of articles and training: the scripted customer asks those.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bot.domain import Article, Ticket
from bot.store import ArticleRow

NAME = "Beresta"
LANGUAGES = ("ru", "en")
_FOLDER = Path(__file__).parent / "company"


class Entry(msgspec.Struct, frozen=True):
    """One article in one language. ``asked`` were asked before, ``kept`` are for the customer."""

    key: str
    category: str
    language: str
    title: str
    answer: str
    asked: tuple[str, ...]
    kept: tuple[str, ...]


class Company(msgspec.Struct, frozen=True):
    """All texts."""

    entries: tuple[Entry, ...]

    def article_rows(self) -> list[ArticleRow]:
        """Articles for the store's import; twins share a key."""
        return [
            ArticleRow(
                text=entry.answer,
                questions=entry.asked,
                title=entry.title,
                category=entry.category,
                language=entry.language,
                twin_key=entry.key,
            )
            for entry in self.entries
        ]

    def tickets(self, articles: Sequence[Article]) -> list[Ticket]:
        """Past questions with the articles that answered them, found by their text."""
        ids = {article.text: article.id for article in articles}
        return [
            Ticket(
                text,
                entry.category,
                ids.get(entry.answer),
                entry.answer,
                entry.language,
                origin="demo",
            )
            for entry in self.entries
            for text in entry.asked
        ]

    def customer_lines(self) -> list[tuple[str, str]]:
        """Language and text of the questions kept out, the two languages in turn."""
        by_language = [
            [
                (entry.language, text)
                for entry in self.entries
                if entry.language == language
                for text in entry.kept
            ]
            for language in LANGUAGES
        ]
        return [line for pair in zip(*by_language, strict=False) for line in pair]


def load_company(folder: Path = _FOLDER) -> Company:
    """The company as shipped."""
    return Company(tuple(_entries(folder)))


def _entries(folder: Path) -> Iterator[Entry]:
    number = 0
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            for language in LANGUAGES:
                questions = record["questions"][language]
                out = number % len(questions)
                yield Entry(
                    key=record["id"],
                    category=record["category"].replace("_", " ").capitalize(),
                    language=language,
                    title=record["title"][language],
                    answer=record["answer"][language],
                    asked=tuple(text for index, text in enumerate(questions) if index != out),
                    kept=(questions[out],),
                )
            number += 1
