"""Runs of the models about customers and the scores that they gave."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from bot.domain import Page
from bot.errors import NotFound
from bot.store.part import PER_PAGE, Part
from bot.store.texts import clean, dump

T = TypeVar("T")

# ``bot.event.customer_of`` of a row ``k`` of the customers.
NAME: Final = """CASE WHEN k.channel IN ('rest', 'web') THEN k.external_id
    ELSE k.channel || ':' || k.external_id END"""
COMPANY: Final = "company"
CUSTOMER: Final = "customer"
# Rows of one transaction, so that a customer's message never waits long behind them.
_BATCH: Final = 2_000
_KEPT_RUNS: Final = 2  # of a target, with their scores; of older ones the report stays


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a job made.

    Attributes:
        target: ``churn``, ``paid``, ``buy`` or ``value``.
        source: ``events`` or the name of an uploaded table.
        as_of: the moment that the scores are about, epoch seconds.
        horizon_s: how far they look ahead.
        threshold: from which probability a subject is flagged.
        report: figures, curves and warnings for the page.
    """

    target: str
    job_id: int
    source: str
    as_of: float
    horizon_s: float
    threshold: float
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(NewRun):
    """A run as it is kept; ``subjects`` have a score."""

    id: int
    created_at: float
    subjects: int


@dataclass(frozen=True, slots=True)
class Score:
    """What a run says of one subject, ``company:NAME`` or ``customer:NAME``.

    Attributes:
        value: expected spend; 0 where the run is not about it.
        held: in the hold-out group.
        reasons: for a probability the counters that pushed it most, each with ``name``, ``value``
            and ``part`` (log-odds); for a value the probability of each ``step``.
    """

    subject: str
    probability: float
    value: float = 0.0
    held: bool = False
    reasons: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Member:
    """Names of a customer on the site: their own there, and their company's; each may be empty."""

    person: str = ""
    company: str = ""


class Insights(Part):
    """Runs and scores; flags stand beside them in ``Flags``."""

    async def store_run(
        self, run: NewRun, scores: Iterable[Score], members: Mapping[str, Member]
    ) -> Run:
        """Keep a run; repeating it for the same job replaces it. Seen by nobody until complete.

        Args:
            run: what the job made.
            scores: of every subject.
            members: names of customers by that of the desk (``customer_of``), replacing what is
                known of them.
        """
        run_id = await self._db.write(partial(_begin, run=run, now=self._clock()))
        subjects = 0
        for some in _batches(scores):
            await self._db.write(partial(_put, run_id=run_id, scores=some))
            subjects += len(some)
        await self._replace_members(members)

        def end(connection: sqlite3.Connection) -> Run:
            connection.execute(
                "UPDATE insight_runs SET ready = 1, subjects = ? WHERE id = ?", (subjects, run_id)
            )
            return _load(connection, run_id)

        kept = await self._db.write(end)
        await self._db.write(lambda connection: _drop_old_scores(connection, run.target))
        return kept

    async def set_threshold(self, run_id: int, threshold: float) -> Run:
        """The run with another threshold; flags follow in ``Flags.apply``.

        Raises:
            NotFound: there is no such run.
        """

        def put(connection: sqlite3.Connection) -> Run:
            connection.execute(
                "UPDATE insight_runs SET threshold = ? WHERE id = ?", (threshold, run_id)
            )
            return _load(connection, run_id)

        return await self._db.write(put)

    async def latest(self, target: str) -> Run | None:
        """The newest complete run about ``target``."""
        runs = await self.runs(target, 1)
        return runs[0] if runs else None

    async def runs(self, target: str, limit: int = 15) -> list[Run]:
        """Complete runs, newest first."""

        def find(connection: sqlite3.Connection) -> list[Run]:
            found = connection.execute(
                """SELECT * FROM insight_runs WHERE target = ? AND ready ORDER BY id DESC
                   LIMIT ?""",
                (target, limit),
            )
            return [_run(row) for row in found]

        return await self._db.read(find)

    async def scores(
        self, run_id: int, *, by_value: bool = False, page: int = 1, per_page: int = PER_PAGE
    ) -> Page:
        """Scores of a run, the highest probability or value first, then by subject."""
        order = "value" if by_value else "probability"

        def find(connection: sqlite3.Connection) -> Page:
            total = connection.execute(
                "SELECT subjects FROM insight_runs WHERE id = ?", (run_id,)
            ).fetchone()
            found = connection.execute(
                # The pages before are passed over in the index alone.
                f"""SELECT s.* FROM (SELECT subject FROM insight_scores WHERE run_id = :run
                        ORDER BY {order} DESC, subject LIMIT :limit OFFSET :first) found
                    JOIN insight_scores s ON s.run_id = :run AND s.subject = found.subject
                    ORDER BY s.{order} DESC, s.subject""",  # noqa: S608
                {"run": run_id, "limit": per_page, "first": (max(1, page) - 1) * per_page},
            )
            items = [_score(row) for row in found]
            return Page(items, total[0] if total else 0, max(1, page), per_page)

        return await self._db.read(find)

    async def score(self, run_id: int, subject: str) -> Score | None:
        """What the run says of one subject."""

        def find(connection: sqlite3.Connection) -> Score | None:
            row = connection.execute(
                "SELECT * FROM insight_scores WHERE run_id = ? AND subject = ?", (run_id, subject)
            ).fetchone()
            return None if row is None else _score(row)

        return await self._db.read(find)

    async def _replace_members(self, members: Mapping[str, Member]) -> None:
        rows = ((customer, one.person, one.company) for customer, one in members.items())
        for some in _batches(rows):
            await self._db.write(partial(_put_members, rows=some))


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while some := list(islice(left, _BATCH)):
        yield some


def _begin(connection: sqlite3.Connection, *, run: NewRun, now: float) -> int:
    connection.execute("DELETE FROM insight_runs WHERE job_id = ?", (run.job_id,))
    cursor = connection.execute(
        """INSERT INTO insight_runs (target, job_id, source, as_of, created_at, horizon_s,
           threshold, report) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (run.target, run.job_id, clean(run.source), run.as_of, now, run.horizon_s, run.threshold,
         clean(dump(dict(run.report)))),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def _put(connection: sqlite3.Connection, *, run_id: int, scores: Iterable[Score]) -> None:
    connection.executemany(
        """INSERT OR REPLACE INTO insight_scores
           (run_id, subject, probability, value, held, reasons) VALUES (?, ?, ?, ?, ?, ?)""",
        [
            (run_id, clean(one.subject), one.probability, one.value, one.held,
             clean(dump(one.reasons)))
            for one in scores
        ],
    )  # fmt: skip


def _put_members(connection: sqlite3.Connection, *, rows: Iterable[tuple[str, str, str]]) -> None:
    connection.executemany("INSERT OR REPLACE INTO insight_members VALUES (?, ?, ?)", rows)


def _drop_old_scores(connection: sqlite3.Connection, target: str) -> None:
    connection.execute(
        """DELETE FROM insight_scores WHERE run_id IN (SELECT id FROM insight_runs
           WHERE target = ? ORDER BY id DESC LIMIT -1 OFFSET ?)""",
        (target, _KEPT_RUNS),
    )


def _load(connection: sqlite3.Connection, run_id: int) -> Run:
    row = connection.execute("SELECT * FROM insight_runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return _run(row)


def _run(row: sqlite3.Row) -> Run:
    columns = {key: row[key] for key in row.keys() if key != "ready"}  # noqa: SIM118
    return Run(**columns | {"report": msgspec.json.decode(row["report"])})


def _score(row: sqlite3.Row) -> Score:
    return Score(
        subject=row["subject"],
        probability=row["probability"],
        value=row["value"],
        held=bool(row["held"]),
        reasons=msgspec.json.decode(row["reasons"], type=tuple[dict[str, Any], ...]),
    )
