"""What may teach: the rows with their review, decisions in batches, sources under suspicion, uses.

A row that was never doubtful has no review. ``waiting`` and ``refused`` rows are not taught;
``approved`` ones are, whatever is found again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bot.domain import Page
from bot.errors import NotFound
from bot.store.part import PER_PAGE, Part
from bot.store.texts import clean, dump

Kind = Literal["v", "t"]
State = Literal["waiting", "approved", "refused"]


# Between the words of a row's partner and the category that they lead to.
PARTNER_SIGN = " → "
_PARTNER_CHARS = 160


def partner_text(text: str) -> str:
    """The words of a row as its partner quotes them; an erasure knows them again by this."""
    return " ".join(text.split())[:_PARTNER_CHARS]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A verdict (``v``) or an imported ticket (``t``) as it may teach.

    ``row_id`` is the customer's message or the ticket. ``state`` is empty where the row was never
    doubtful. ``changed`` is the share 0..1 of the article that an agent rewrote.
    """

    kind: Kind
    row_id: int
    answer_id: int
    text: str
    category: str
    source: str  # agent:ID, import:ORIGIN
    channel: str
    created_at: float
    changed: float
    state: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that an admin should look at. ``partner`` says in words what it collides with."""

    kind: Kind
    row_id: int
    answer_id: int
    source: str
    reasons: tuple[str, ...]
    partner: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A doubtful row as the queue shows it."""

    id: int
    kind: Kind
    state: State
    reasons: tuple[str, ...]
    partner: str
    source: str
    source_name: str
    found_at: float
    decided_at: float | None
    reviewer: str | None
    text: str
    category: str
    answer_id: int
    answer: str  # the article's title or text
    reply: str  # what the agent sent


_ROWS = """SELECT 'v', v.message_id, v.answer_id, m.text, a.category, 'agent:' || v.agent_id,
        c.channel, v.created_at,
        min(1.0, v.edit_distance * 1.0 / max(1, length(a.text), length(coalesce(r.text, '')))),
        coalesce(q.state, '')
    FROM verdicts v JOIN messages m ON m.id = v.message_id
    JOIN conversations c ON c.id = m.conversation_id
    JOIN articles a ON a.id = v.answer_id AND a.removed_at IS NULL
    LEFT JOIN messages r ON r.id = v.reply_id
    LEFT JOIN training_reviews q ON q.kind = 'v' AND q.row_id = v.message_id
        AND q.answer_id = v.answer_id
    WHERE v.verdict IN ('accepted', 'edited') AND v.agent_id IS NOT NULL
    UNION ALL
    SELECT 't', t.id, coalesce(t.answer_id, 0), t.text, t.category, 'import:' || t.origin, '',
        t.created_at, 0.0, coalesce(q.state, '')
    FROM tickets t LEFT JOIN training_reviews q ON q.kind = 't' AND q.row_id = t.id"""

_STATE = """SELECT * FROM
    (SELECT count(*), max(created_at), sum(edit_distance), sum(message_id * answer_id)
        FROM verdicts WHERE verdict IN ('accepted', 'edited')),
    (SELECT count(*), sum(answer_id), max(created_at) FROM tickets),
    (SELECT count(*), sum(id), max(decided_at) FROM training_reviews WHERE state != 'waiting'),
    (SELECT group_concat(source) FROM suspicious_sources),
    (SELECT max(value) FROM meta WHERE key = 'knowledge_revision')"""

# A finding whose row is gone (undone, erased, its article removed) is not shown.
_REVIEWS = """FROM training_reviews q
    LEFT JOIN messages m ON q.kind = 'v' AND m.id = q.row_id
    LEFT JOIN verdicts v ON q.kind = 'v' AND v.message_id = q.row_id AND v.answer_id = q.answer_id
    LEFT JOIN messages r ON r.id = v.reply_id
    LEFT JOIN tickets t ON q.kind = 't' AND t.id = q.row_id
    LEFT JOIN articles a ON a.id = q.answer_id
    LEFT JOIN agents p ON 'agent:' || p.id = q.source
    WHERE (v.verdict IN ('accepted', 'edited') OR t.id IS NOT NULL)
      AND (:state = '' OR q.state = :state)
      AND (:source = '' OR q.source = :source)
      AND (:reason = '' OR :reason IN (SELECT value FROM json_each(q.reasons)))
      AND (:category = '' OR coalesce(a.category, t.category, '') = :category)
      AND (:query = '' OR instr(lower(coalesce(m.text, t.text, '')), lower(:query)) > 0)"""

_COLUMNS = """SELECT q.id, q.kind, q.state, q.reasons, q.partner, q.source,
    coalesce(p.name, q.source) AS source_name, q.found_at, q.decided_at, q.reviewer,
    coalesce(m.text, t.text) AS text, coalesce(t.category, a.category, '') AS category,
    q.answer_id, coalesce(nullif(a.title, ''), a.text, '') AS answer, coalesce(r.text, '') AS reply
    """


class Training(Part):
    """The rows behind the training set."""

    async def rows(self) -> list[SourceRow]:
        """Every verdict that may teach and every imported ticket, oldest first by kind."""

        def find(connection: sqlite3.Connection) -> list[SourceRow]:
            return [SourceRow(*row) for row in connection.execute(_ROWS)]

        return await self._db.read(find)

    async def state(self) -> tuple[object, ...]:
        """Equal for as long as nothing changed that an examination depends on."""

        def find(connection: sqlite3.Connection) -> tuple[object, ...]:
            return tuple(connection.execute(_STATE).fetchone())

        return await self._db.read(find)

    async def replace_findings(self, findings: Sequence[Finding]) -> None:
        """Let exactly these rows wait, beside what was decided: decisions are never touched."""
        now = self._clock()
        rows = [
            (f.kind, f.row_id, f.answer_id, dump(f.reasons), clean(f.partner), f.source, now)
            for f in findings
        ]

        found = {row[:3] for row in rows}

        def save(connection: sqlite3.Connection) -> None:
            waiting = connection.execute(
                """SELECT id, kind, row_id, answer_id FROM training_reviews
                   WHERE state = 'waiting'"""
            ).fetchall()
            connection.executemany(
                "DELETE FROM training_reviews WHERE id = ?",
                [(row[0],) for row in waiting if tuple(row[1:]) not in found],
            )
            connection.executemany(
                """INSERT INTO training_reviews (kind, row_id, answer_id, reasons, partner, source,
                    found_at) VALUES (?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT (kind, row_id, answer_id) DO UPDATE SET reasons = excluded.reasons,
                    partner = excluded.partner WHERE state = 'waiting'""",
                rows,
            )

        await self._db.write(save)

    async def reviews(
        self, filters: Mapping[str, str], page: int = 1, per_page: int = PER_PAGE
    ) -> Page:
        """Doubtful rows, newest first.

        Filters are ``state``, ``source``, ``reason``, ``category`` and ``query``; empty lets pass.
        """
        params = {name: filters.get(name, "") for name in _FILTERS}

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(f"SELECT count(*) {_REVIEWS}", params).fetchone()[0]
            found = connection.execute(
                f"{_COLUMNS} {_REVIEWS} ORDER BY q.id DESC LIMIT :limit OFFSET :first",
                {**params, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            return Page([_review(row) for row in found], total, max(1, page), per_page)

        return await self._db.read(find)

    async def decide(
        self, ids: Sequence[int] | Mapping[str, str], state: State, reviewer: str
    ) -> tuple[int, tuple[int, ...], int]:
        """Approve or refuse rows, those of the ids or all waiting ones that a filter lets pass.

        Gives the batch, by which it is undone, the articles concerned, and the number of rows.

        Raises:
            NotFound: none of them waits.
        """
        now = self._clock()

        def save(connection: sqlite3.Connection) -> tuple[int, tuple[int, ...], int]:
            chosen = ids if not isinstance(ids, Mapping) else _matching(connection, ids)
            batch = (
                1
                + connection.execute(
                    "SELECT coalesce(max(batch), 0) FROM training_reviews"
                ).fetchone()[0]
            )
            found = connection.execute(
                """UPDATE training_reviews SET state = ?, decided_at = ?, reviewer = ?, batch = ?
                   WHERE state != ? AND id IN (SELECT value FROM json_each(?))
                   RETURNING answer_id""",
                (state, now, clean(reviewer), batch, state, dump(list(chosen))),
            ).fetchall()
            if not found:
                raise NotFound("None of these rows waits for a decision.")
            return batch, tuple({row[0] for row in found if row[0]}), len(found)

        return await self._db.write(save)

    async def undo(self, batch: int) -> tuple[tuple[int, ...], int]:
        """Let the rows of a batch wait again; gives the articles concerned and the number of rows.

        Raises:
            NotFound: there is no such batch, or it was undone.
        """

        def save(connection: sqlite3.Connection) -> tuple[tuple[int, ...], int]:
            found = connection.execute(
                """UPDATE training_reviews SET state = 'waiting', decided_at = NULL,
                    reviewer = NULL, batch = NULL WHERE batch = ? RETURNING answer_id""",
                (batch,),
            ).fetchall()
            if not found:
                raise NotFound("This was undone already.")
            return tuple({row[0] for row in found if row[0]}), len(found)

        return await self._db.write(save)

    async def waiting(self) -> int:
        """Number of rows that wait for a decision."""
        found = await self.reviews({"state": "waiting"}, per_page=1)
        return found.total

    async def suspicious(self) -> frozenset[str]:
        """Sources whose rows wait for a review, whatever they say."""

        def find(connection: sqlite3.Connection) -> frozenset[str]:
            return frozenset(
                row[0] for row in connection.execute("SELECT source FROM suspicious_sources")
            )

        return await self._db.read(find)

    async def suspect(self, source: str, suspected: bool, actor: str) -> None:
        """Mark a source, or clear it."""
        now = self._clock()

        def save(connection: sqlite3.Connection) -> None:
            if suspected:
                connection.execute(
                    "INSERT OR IGNORE INTO suspicious_sources VALUES (?, ?, ?)",
                    (clean(source), now, clean(actor)),
                )
            else:
                connection.execute(
                    "DELETE FROM suspicious_sources WHERE source = ?", (clean(source),)
                )

        await self._db.write(save)

    async def note_use(self, job_id: int) -> None:
        """Remember which customers' messages a training is about to see."""

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT OR IGNORE INTO training_uses (job_id, message_id)
                   SELECT ?, message_id FROM verdicts
                   WHERE verdict IN ('accepted', 'edited') AND agent_id IS NOT NULL""",
                (job_id,),
            )

        await self._db.write(save)


_FILTERS = ("state", "source", "reason", "category", "query")


def _matching(connection: sqlite3.Connection, filters: Mapping[str, str]) -> list[int]:
    params = {**{name: filters.get(name, "") for name in _FILTERS}, "state": "waiting"}
    return [row[0] for row in connection.execute(f"SELECT q.id {_REVIEWS}", params)]


def _review(row: sqlite3.Row) -> Review:
    reasons = tuple(msgspec.json.decode(row["reasons"], type=list[str]))
    return Review(**{**dict(row), "reasons": reasons})
