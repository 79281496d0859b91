"""Importing articles and tickets: equal answers merge; a dry run does all and undoes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bot.domain import Article, Ticket
from bot.store import articles
from bot.store.articles import Content
from bot.store.feedback import LEFT_OUT
from bot.store.part import Part
from bot.store.records import ArticleRow, ImportDiff
from bot.store.texts import answer_key, clean, digest, dump

_PREVIEW = 50
_TITLE_CHARS = 80


class _DryRun(Exception):
    def __init__(self, diff: ImportDiff) -> None:
        self.diff = diff


class Imports(Part):
    """Many rows in one commit."""

    async def import_articles(
        self, rows: Sequence[ArticleRow], dry_run: bool = False, actor: str = "import"
    ) -> ImportDiff:
        """What changed, or with ``dry_run`` what would change.

        Rows whose answers differ at most in white space are one article with all their questions.
        An article that exists gains the questions, and a title or language it had none of; its
        category stays and another one is listed as a conflict. What lies in the bin stays there,
        as a conflict. Rows of one ``twin_key`` become twins, the first two of them.
        """
        now = self._clock()

        def store(connection: sqlite3.Connection) -> ImportDiff:
            diff = _Import(connection, now, actor).run(rows)
            if dry_run:
                raise _DryRun(replace(diff, changed_ids=()))
            return diff

        try:
            return await self._db.write(store)
        except _DryRun as done:
            return done.diff

    async def import_tickets(self, rows: Sequence[Ticket]) -> dict[str, int]:
        """Counts ``added``, ``changed``, ``unchanged``; text and category make a ticket."""
        now = self._clock()

        def store(connection: sqlite3.Connection) -> dict[str, int]:
            counts = {"added": 0, "changed": 0, "unchanged": 0}
            for row in rows:
                counts[_put_ticket(connection, row, now)] += 1
            return counts

        return await self._db.write(store)

    async def tickets(
        self, answer_ids: Iterable[int] | None = None, *, admitted: bool = False
    ) -> Iterator[Ticket]:
        """Imported tickets in order of import: all, or those tied to these articles.

        Without what a review refused, and with ``admitted`` also without what waits for one.
        """
        wanted = None if answer_ids is None else dump(sorted(set(answer_ids)))

        def find(connection: sqlite3.Connection) -> list[Ticket]:
            found = connection.execute(
                f"""SELECT text, category, answer_id, operator_answer, language, origin FROM tickets
                   WHERE (:wanted IS NULL OR answer_id IN (SELECT value FROM json_each(:wanted)))
                     AND NOT EXISTS (SELECT 1 FROM training_reviews q WHERE q.kind = 't'
                       AND q.row_id = tickets.id AND {LEFT_OUT})
                   ORDER BY id""",  # noqa: S608  a constant
                {"wanted": wanted, "admitted": admitted},
            )
            return [Ticket(*row) for row in found]

        return iter(await self._db.read(find))


class _Import:
    """One run over the rows; holds the counts."""

    def __init__(self, connection: sqlite3.Connection, now: float, actor: str) -> None:
        self._connection = connection
        self._now = now
        self._actor = actor
        self._conflicts: list[str] = []
        self._twins: dict[str, list[int]] = {}
        self._ids: dict[str, list[int]] = {"added": [], "changed": [], "unchanged": []}
        self._titles: dict[str, list[str]] = {"added": [], "changed": [], "unchanged": []}

    def run(self, rows: Sequence[ArticleRow]) -> ImportDiff:
        merged, duplicates = self._merge(rows)
        for key, (row, written) in merged.items():
            self._put(key, row, written)
        for pair in self._twins.values():
            if len(pair) > 1 and articles.link(self._connection, pair[0], pair[1]):
                self._linked(pair[:2])
        if self._ids["added"] or self._ids["changed"]:
            articles.grow_revision(self._connection)
        return ImportDiff(
            added=len(self._ids["added"]),
            changed=len(self._ids["changed"]),
            unchanged=len(self._ids["unchanged"]),
            duplicates=duplicates,
            conflicts=tuple(self._conflicts),
            added_titles=tuple(self._titles["added"][:_PREVIEW]),
            changed_titles=tuple(self._titles["changed"][:_PREVIEW]),
            changed_ids=(*self._ids["added"], *self._ids["changed"]),
        )

    def _merge(
        self, rows: Sequence[ArticleRow]
    ) -> tuple[dict[bytes, tuple[ArticleRow, Content]], int]:
        merged: dict[bytes, tuple[ArticleRow, Content]] = {}
        duplicates = 0
        for row in rows:
            written = articles.content(
                row.title, row.text, row.category, row.language, row.questions
            )
            if not written.text:
                self._conflict(row, "the answer is empty; left out")
                continue
            key = answer_key(written.text)
            if key not in merged:
                merged[key] = (row, written)
                continue
            duplicates += 1
            first, known = merged[key]
            kept = replace(first, twin_key=first.twin_key or row.twin_key)
            merged[key] = (kept, self._union(row, known, written))
        return merged, duplicates

    def _union(self, row: ArticleRow, known: Content, other: Content) -> Content:
        """``known`` with the questions of ``other`` and what it had none of."""
        if known.category and other.category and known.category != other.category:
            self._conflict(row, f"category '{known.category}' kept, '{other.category}' left out")
        return Content(
            title=known.title or other.title,
            text=known.text,
            category=known.category or other.category,
            language=known.language or other.language,
            questions=tuple(dict.fromkeys((*known.questions, *other.questions))),
        )

    def _put(self, key: bytes, row: ArticleRow, written: Content) -> None:
        found = self._connection.execute("SELECT id FROM articles WHERE key = ?", (key,)).fetchone()
        before = None if found is None else articles.load_article(self._connection, found[0])
        if before is not None and before.removed_at is not None:
            self._conflict(
                row, f"article {before.id} has this answer and lies in the bin; left there"
            )
            return
        if before is None:
            outcome, article_id = "added", self._write(None, written)
        else:
            outcome, article_id = self._change(row, before, written)
        self._ids[outcome].append(article_id)
        self._titles[outcome].append(_title(written))
        if row.twin_key:
            self._twins.setdefault(row.twin_key, []).append(article_id)

    def _change(self, row: ArticleRow, before: Article, written: Content) -> tuple[str, int]:
        old = Content(before.title, before.text, before.category, before.language, before.questions)
        new = self._union(row, old, written)
        if new == old:
            return "unchanged", before.id
        return "changed", self._write(before.id, new)

    def _write(self, article_id: int | None, written: Content) -> int:
        return articles.write_article(
            self._connection, article_id, written, self._now, actor=self._actor, action="imported"
        )

    def _linked(self, pair: Sequence[int]) -> None:
        """Twins newly linked count as changed, unless they are new anyway."""
        for article_id in pair:
            if article_id in self._ids["unchanged"]:
                self._ids["unchanged"].remove(article_id)
                self._ids["changed"].append(article_id)

    def _conflict(self, row: ArticleRow, what: str) -> None:
        where = f"line {row.line}: " if row.line is not None else ""
        self._conflicts.append(f"{where}{what} ({clean(row.text).strip()[:_TITLE_CHARS]})")


def _title(written: Content) -> str:
    return written.title or (
        written.questions[0] if written.questions else written.text[:_TITLE_CHARS]
    )


def _put_ticket(connection: sqlite3.Connection, row: Ticket, now: float) -> str:
    text, category = clean(row.text).strip(), clean(row.category).strip()
    key = digest(text, category)
    lasting = (row.answer_id, clean(row.operator_answer), row.language, clean(row.origin))
    known = connection.execute(
        "SELECT answer_id, operator_answer, language, origin FROM tickets WHERE key = ?", (key,)
    ).fetchone()
    if known is None:
        connection.execute(
            """INSERT INTO tickets (key, text, category, answer_id, operator_answer, language,
                origin,
               created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            (key, text, category, *lasting, now),
        )
        return "added"
    if tuple(known) == lasting:
        return "unchanged"
    connection.execute(
        """UPDATE tickets SET answer_id = ?, operator_answer = ?, language = ?, origin = ? WHERE
            key = ?""",
        (*lasting, key),
    )
    return "changed"
