"""Flags on companies and customers: raised at a threshold, shown or held back, judged later."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bot.domain import Page
from bot.store.insights import NAME, Run
from bot.store.part import PER_PAGE, Part

SHOWN, HELD = "shown", "held"
EVENT: Final = "customer.flagged"

# Rows of ``customers`` who carry an open flag that is not held back, themselves or by company.
_OPEN: Final = f"closed_at IS NULL AND arm = '{SHOWN}'"
# Whether the customer of a conversation ``c`` carries an open flag that is not held back, under
# their own name or their company's. Asked of each row: open conversations are fewer than flags.
FLAGGED = f"""EXISTS (SELECT 1 FROM customers k
    LEFT JOIN insight_members m ON m.customer = {NAME}
    JOIN flags f ON {_OPEN} AND f.subject IN
        ('customer:' || {NAME}, 'customer:' || m.person, 'company:' || m.company)
    WHERE k.id = c.customer_id)"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Flag:
    """A subject above the threshold.

    Attributes:
        reasons: the counters that pushed it most, each with ``name``, ``value`` and ``part``.
        as_of, due_at: it comes true after the first and until the second, or not.
        outcome: whether it did; None until then.
    """

    id: int
    target: str
    subject: str
    run_id: int
    probability: float
    reasons: tuple[Mapping[str, Any], ...]
    arm: str
    as_of: float
    flagged_at: float
    due_at: float
    closed_at: float | None
    outcome: bool | None


@dataclass(frozen=True, slots=True)
class Arm:
    """Flags of one arm that have been judged, and how many of them came true."""

    judged: int
    came_true: int
    open: int


class Flags(Part):
    """Raising, showing and judging."""

    async def apply(self, run: Run) -> int:
        """Bring the open flags of the run's target in line with its scores and its threshold.

        Who has one keeps it with the new probability; who fell below loses it; who rose gets one,
        in the arm that its score says.

        Returns:
            How many are new and shown.
        """
        now = self._clock()

        def put(connection: sqlite3.Connection) -> int:
            given = {"run": run.id, "target": run.target, "threshold": run.threshold, "now": now,
                     "as_of": run.as_of, "due": run.as_of + run.horizon_s}  # fmt: skip
            connection.execute(_CLOSE, given)
            connection.execute(_RENEW, given)
            before = connection.execute("SELECT coalesce(max(id), 0) FROM flags").fetchone()[0]
            connection.execute(_RAISE, given)
            return int(
                connection.execute(
                    "SELECT count(*) FROM flags WHERE id > ? AND arm = ?", (before, SHOWN)
                ).fetchone()[0]
            )

        return await self._db.write(put)

    async def open(
        self, target: str, *, query: str = "", page: int = 1, per_page: int = PER_PAGE
    ) -> Page:
        """Flags that are shown, the most likely first; ``query`` is a part of the subject."""
        where = f"target = :target AND {_OPEN}"
        if query.strip():
            where += " AND instr(lower(subject), lower(:query)) > 0"
        given = {"target": target, "query": query.strip()}

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                f"SELECT count(*) FROM flags WHERE {where}",  # noqa: S608
                given,
            ).fetchone()[0]
            found = connection.execute(
                f"""SELECT * FROM flags WHERE {where} ORDER BY probability DESC, subject
                    LIMIT :limit OFFSET :first""",  # noqa: S608
                {**given, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            return Page([_flag(row) for row in found], total, max(1, page), per_page)

        return await self._db.read(find)

    async def of_customer(self, name: str) -> list[Flag]:
        """Open flags of a customer and of their company that may be shown, most likely first.

        ``name`` is that of the events (``customer_of``).
        """

        def find(connection: sqlite3.Connection) -> list[Flag]:
            found = connection.execute(
                f"""SELECT * FROM flags WHERE {_OPEN} AND subject IN ('customer:' || :name,
                        (SELECT 'customer:' || person FROM insight_members WHERE customer = :name),
                        (SELECT 'company:' || company FROM insight_members WHERE customer = :name))
                    ORDER BY probability DESC, target""",  # noqa: S608
                {"name": name},
            )
            return [_flag(row) for row in found]

        return await self._db.read(find)

    async def due(self, target: str, before: float) -> list[Flag]:
        """Flags, of both arms, whose time was over before then and that nobody judged."""

        def find(connection: sqlite3.Connection) -> list[Flag]:
            found = connection.execute(
                """SELECT * FROM flags WHERE target = ? AND outcome IS NULL AND due_at <= ?
                   ORDER BY id""",
                (target, before),
            )
            return [_flag(row) for row in found]

        return await self._db.read(find)

    async def judge(self, outcomes: Mapping[int, bool]) -> None:
        """Note what came true, by id of the flag; a judged flag is no longer open."""
        now = self._clock()

        def put(connection: sqlite3.Connection) -> None:
            connection.executemany(
                """UPDATE flags SET outcome = ?, decided_at = ?,
                   closed_at = coalesce(closed_at, ?) WHERE id = ? AND outcome IS NULL""",
                [(came, now, now, flag_id) for flag_id, came in outcomes.items()],
            )

        await self._db.write(put)

    async def arms(self, target: str) -> dict[str, Arm]:
        """What is known of each arm."""

        def find(connection: sqlite3.Connection) -> dict[str, Arm]:
            judged = {
                row[0]: (row[1], row[2])
                for row in connection.execute(
                    """SELECT arm, count(*), sum(outcome) FROM flags
                       WHERE target = ? AND outcome IS NOT NULL GROUP BY arm""",
                    (target,),
                )
            }
            waiting = dict(
                connection.execute(
                    """SELECT arm, count(*) FROM flags WHERE target = ? AND closed_at IS NULL
                       GROUP BY arm""",
                    (target,),
                ).fetchall()
            )
            return {
                arm: Arm(*judged.get(arm, (0, 0)), open=waiting.get(arm, 0))
                for arm in (SHOWN, HELD)
            }

        return await self._db.read(find)


_OF_RUN = "SELECT s.probability FROM insight_scores s WHERE s.run_id = :run AND s.subject ="
_CLOSE = f"""UPDATE flags SET closed_at = :now WHERE target = :target AND closed_at IS NULL
    AND coalesce(({_OF_RUN} flags.subject), 0) < :threshold"""  # noqa: S608
_RENEW = """UPDATE flags SET run_id = :run, probability = s.probability, reasons = s.reasons
    FROM insight_scores s WHERE s.run_id = :run AND s.subject = flags.subject
    AND flags.target = :target AND flags.closed_at IS NULL"""
_RAISE = f"""INSERT INTO flags
        (target, subject, run_id, probability, reasons, arm, as_of, flagged_at, due_at)
    SELECT :target, s.subject, :run, s.probability, s.reasons,
        CASE WHEN s.held THEN '{HELD}' ELSE '{SHOWN}' END, :as_of, :now, :due
    FROM insight_scores s WHERE s.run_id = :run AND s.probability >= :threshold
    AND NOT EXISTS (SELECT 1 FROM flags f WHERE f.target = :target AND f.subject = s.subject
        AND f.closed_at IS NULL)
    ORDER BY s.probability DESC, s.subject"""  # noqa: S608


def _flag(row: sqlite3.Row) -> Flag:
    return Flag(
        id=row["id"],
        target=row["target"],
        subject=row["subject"],
        run_id=row["run_id"],
        probability=row["probability"],
        reasons=msgspec.json.decode(row["reasons"], type=tuple[dict[str, Any], ...]),
        arm=row["arm"],
        as_of=row["as_of"],
        flagged_at=row["flagged_at"],
        due_at=row["due_at"],
        closed_at=row["closed_at"],
        outcome=None if row["outcome"] is None else bool(row["outcome"]),
    )
