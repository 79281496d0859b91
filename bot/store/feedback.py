"""Verdicts: exactly one per message and answer, and the training rows they make."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bot.domain import Verdict, VerdictRecord
from bot.errors import NotFound
from bot.store.part import Part
from bot.store.records import TrainingRow, VerdictCounts
from bot.store.texts import clean, dump


class Feedback(Part):
    """What agents thought of suggestions."""

    async def record(self, verdicts: Sequence[VerdictRecord]) -> None:
        """Keep the verdicts; a later one on the same message and answer replaces the earlier.

        Raises:
            NotFound: a verdict names a message that does not exist.
        """
        await self._db.write(lambda connection: put_verdicts(connection, verdicts, reply_id=None))

    async def of_message(self, message_id: int) -> list[VerdictRecord]:
        """Verdicts on the suggestions for one message, by rank."""

        def find(connection: sqlite3.Connection) -> list[VerdictRecord]:
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM verdicts WHERE message_id = ? ORDER BY rank",  # noqa: S608
                (message_id,),
            )
            return [
                VerdictRecord(**{**dict(row), "verdict": Verdict(row["verdict"])}) for row in found
            ]

        return await self._db.read(find)

    async def of_article(self, article_id: int) -> VerdictCounts:
        """How often each verdict was given on the article."""

        def count(connection: sqlite3.Connection) -> VerdictCounts:
            counts = counts_of(connection, [article_id]).get(article_id, {})
            return VerdictCounts(**counts, shown=sum(counts.values()))

        return await self._db.read(count)

    async def export(self) -> Iterator[dict[str, Any]]:
        """Every verdict with its question and answer as a flat mapping, oldest message first."""

        def find(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            found = connection.execute(
                """SELECT v.message_id, m.text AS question, m.language, c.category, v.answer_id,
                   a.text AS answer, v.rank, v.verdict, v.agent_id, v.created_at, v.confidence,
                   v.model_version, v.edit_distance, v.reason, r.text AS reply
                   FROM verdicts v JOIN messages m ON m.id = v.message_id
                   JOIN conversations c ON c.id = m.conversation_id
                   LEFT JOIN articles a ON a.id = v.answer_id LEFT JOIN messages r ON r.id =
                   v.reply_id
                   ORDER BY v.message_id, v.rank"""
            )
            return [dict(row) for row in found]

        return iter(await self._db.read(find))

    async def training_rows(
        self, answer_ids: Iterable[int] | None = None, *, admitted: bool = False
    ) -> list[TrainingRow]:
        """Questions that agents answered with an article, accepted or edited, oldest first.

        All, or those of these articles. Removed articles are left out; so is what has no agent
        behind it, what a review refused, and with ``admitted`` also what waits for one.
        """
        wanted = None if answer_ids is None else dump(sorted(set(answer_ids)))

        def find(connection: sqlite3.Connection) -> list[TrainingRow]:
            found = connection.execute(
                f"""SELECT m.text, v.answer_id, v.verdict, coalesce(r.text, ''), a.category,
                    m.language,
                   c.customer_id, v.agent_id, v.created_at, v.message_id
                   FROM verdicts v JOIN messages m ON m.id = v.message_id
                   JOIN conversations c ON c.id = m.conversation_id
                   JOIN articles a ON a.id = v.answer_id AND a.removed_at IS NULL
                   LEFT JOIN messages r ON r.id = v.reply_id
                   WHERE v.verdict IN ('accepted', 'edited') AND v.agent_id IS NOT NULL
                     AND (:wanted IS NULL
                       OR v.answer_id IN (SELECT value FROM json_each(:wanted)))
                     AND NOT EXISTS (SELECT 1 FROM training_reviews q WHERE q.kind = 'v'
                       AND q.row_id = v.message_id AND q.answer_id = v.answer_id AND {LEFT_OUT})
                   ORDER BY v.message_id, v.rank""",  # noqa: S608  a constant
                {"wanted": wanted, "admitted": admitted},
            )
            return [TrainingRow(*row) for row in found]

        return await self._db.read(find)


# A review ``q`` that keeps its row out: of training what waits as well, of the live index (where a
# verdict helps at once) only what was refused or came from a source under suspicion.
LEFT_OUT = """(q.state = 'refused' OR (q.state = 'waiting' AND
    (:admitted OR 'source' IN (SELECT value FROM json_each(q.reasons)))))"""
_COLUMNS = """message_id, answer_id, rank, verdict, agent_id, created_at, confidence, model_version,
    edit_distance, reason"""
_PUT = f"""INSERT INTO verdicts ({_COLUMNS}, reply_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (message_id, answer_id) DO UPDATE SET rank = excluded.rank,
    verdict = excluded.verdict, agent_id = excluded.agent_id, created_at = excluded.created_at,
    confidence = excluded.confidence, model_version = excluded.model_version,
    edit_distance = excluded.edit_distance, reason = excluded.reason,
    reply_id = excluded.reply_id"""  # noqa: S608  the columns are a constant


def put_verdicts(
    connection: sqlite3.Connection, verdicts: Sequence[VerdictRecord], *, reply_id: int | None
) -> None:
    """Write the verdicts; ``reply_id`` is the reply that they came with.

    Raises:
        NotFound: a verdict names a message that does not exist.
    """
    values = [
        (
            verdict.message_id,
            verdict.answer_id,
            verdict.rank,
            str(verdict.verdict),
            verdict.agent_id,
            verdict.created_at,
            verdict.confidence,
            verdict.model_version,
            verdict.edit_distance,
            clean(verdict.reason),
            reply_id,
        )
        for verdict in verdicts
    ]
    try:
        connection.executemany(_PUT, values)
    except sqlite3.IntegrityError as error:
        raise NotFound("A verdict names a message that does not exist.") from error


def drop_verdicts_of(connection: sqlite3.Connection, reply_id: int) -> None:
    """Forget the verdicts that came with a reply that was taken back.

    Of an article that was found by hand nothing is left: it was never suggested.
    """
    connection.execute(
        """DELETE FROM ledger WHERE (message_id, answer_id) IN
           (SELECT message_id, answer_id FROM verdicts WHERE reply_id = ? AND rank = 0)""",
        (reply_id,),
    )
    connection.execute("DELETE FROM verdicts WHERE reply_id = ?", (reply_id,))


def counts_of(
    connection: sqlite3.Connection, article_ids: Sequence[int]
) -> dict[int, dict[str, int]]:
    """Number of each verdict by article."""
    ids = ",".join(map(str, article_ids))
    counts: dict[int, dict[str, int]] = {}
    for answer_id, verdict, number in connection.execute(
        f"""SELECT answer_id, verdict, count(*) FROM verdicts WHERE answer_id IN ({ids})
            GROUP BY answer_id, verdict"""  # noqa: S608
    ):
        counts.setdefault(answer_id, {})[verdict] = number
    return counts
