"""The training set as files: what the store knows, written by the server, read by the child.

The child never opens the database, so training cannot hold or harm it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from bot.domain import Article, Ticket
from bot.entries import KnowledgeItem
from bot.items import knowledge_item
from bot.store import Store
from bot.store.records import TrainingRow

ITEMS: Final = "items.jsonl"
QUESTIONS: Final = "questions.jsonl"
ROWS: Final = "rows.jsonl"
UNLABELLED: Final = "unlabelled.jsonl"
KNOWLEDGE: Final = "knowledge"
# So often the same words with the same answer teach; more would only drown what is asked rarely.
MOST_REPEATS: Final = 3
Origin = Literal["ticket", "question", "answer"]


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A text with its category; ``source`` is who said so: ``agent:7``, ``import:june.csv``."""

    text: str
    category: str
    origin: Origin
    source: str = ""


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question with the article that was right for it, and who said so."""

    text: str
    answer_id: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """All there is to learn from.

    Attributes:
        items: articles with the questions of the knowledge base alone.
        questions: tickets and agents' verdicts, oldest first.
        rows: texts with categories, for the classifier.
        unlabelled: imported tickets without a category, for it as well.
    """

    items: tuple[KnowledgeItem, ...]
    questions: tuple[QuestionRow, ...]
    rows: tuple[CategoryRow, ...]
    unlabelled: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Sizes for the panel."""
        return {
            "articles": len(self.items),
            "questions": len(self.questions),
            "rows": len(self.rows),
            "unlabelled": len(self.unlabelled),
        }

    def write(self, folder: Path) -> None:
        """Write its JSON-lines files into an existing folder."""
        parts = (
            (ITEMS, self.items), (QUESTIONS, self.questions), (ROWS, self.rows),
            (UNLABELLED, self.unlabelled),
        )  # fmt: skip
        for name, lines in parts:
            with (folder / name).open("wb") as file:
                for line in lines:
                    file.write(msgspec.json.encode(line) + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Dataset:
        """The training set of a folder.

        Raises:
            OSError: a file is missing.
            msgspec.ValidationError: a line has another shape.
        """
        return cls(
            tuple(_lines(folder / ITEMS, KnowledgeItem)),
            tuple(_lines(folder / QUESTIONS, QuestionRow)),
            tuple(_lines(folder / ROWS, CategoryRow)),
            tuple(_lines(folder / UNLABELLED, str)),
        )


async def collect(store: Store) -> Dataset:
    """The training set of the store as it is now, without what waits for review or was refused."""
    articles = await store.knowledge.all_items()
    tickets = await store.knowledge.tickets(admitted=True)
    verdicts = await store.feedback.training_rows(admitted=True)
    return await asyncio.to_thread(_dataset, articles, tickets, verdicts)


def _dataset(
    articles: Sequence[Article], tickets: Iterable[Ticket], verdicts: Sequence[TrainingRow]
) -> Dataset:
    by_id = {article.id: article for article in articles}
    questions = []
    rows = [row for article in articles for row in _article_rows(article)]
    unlabelled = []
    for ticket in tickets:
        source = f"import:{ticket.origin}"
        if ticket.answer_id in by_id and ticket.text.strip():
            questions.append(QuestionRow(ticket.text, ticket.answer_id, source))
        if not ticket.category:
            unlabelled.append(ticket.text)
            continue
        rows.append(CategoryRow(ticket.text, ticket.category, "ticket", source))
        if ticket.operator_answer:
            rows.append(CategoryRow(ticket.operator_answer, ticket.category, "answer", source))
    repeats: Counter[tuple[str, int]] = Counter()
    for verdict in verdicts:
        repeats[key := repeat_key(verdict.question, verdict.answer_id)] += 1
        if repeats[key] > MOST_REPEATS:
            continue
        source = f"agent:{verdict.agent_id}"
        article = by_id.get(verdict.answer_id)
        if article is not None and verdict.question.strip():
            questions.append(QuestionRow(verdict.question, verdict.answer_id, source))
        category = article.category if article is not None else verdict.category
        if category:
            rows.append(CategoryRow(verdict.question, category, "ticket", source))
    items = tuple(knowledge_item(article) for article in articles)
    return Dataset(items, tuple(questions), tuple(rows), tuple(unlabelled))


def repeat_key(text: str, answer_id: int) -> tuple[str, int]:
    """Equal for verdicts that say the same again; see ``MOST_REPEATS``."""
    return " ".join(text.split()).casefold(), answer_id


def _article_rows(article: Article) -> Iterable[CategoryRow]:
    if not article.category:
        return
    for question in dict.fromkeys((article.title, *article.questions)):
        if question.strip():
            yield CategoryRow(question, article.category, "question", KNOWLEDGE)
    yield CategoryRow(article.text, article.category, "answer", KNOWLEDGE)


def _lines(path: Path, kind: type[Any]) -> list[Any]:
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        return [decoder.decode(line) for line in file]
