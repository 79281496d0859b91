"""Training and batch runs as rows: one live run of a kind, a heartbeat shows a dead one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.errors import Conflict, NotFound
from bot.store.part import Part
from bot.store.records import Job
from bot.store.texts import clean, dump

# Inside the class, ``list`` is the method.
JobList = list[Job]


class Jobs(Part):
    """What runs beside the server."""

    async def create(self, kind: str, params: Mapping[str, Any] | None = None) -> Job:
        """A new queued job.

        Raises:
            Conflict: one of this kind is live; the text names it.
        """
        now = self._clock()

        def add(connection: sqlite3.Connection) -> Job:
            live = connection.execute(
                "SELECT id FROM jobs WHERE kind = ? AND finished_at IS NULL", (kind,)
            ).fetchone()
            if live is not None:
                raise Conflict(f"Job {live[0]} of the kind '{kind}' is still running.")
            cursor = connection.execute(
                """INSERT INTO jobs (kind, params, state, created_at, heartbeat_at) VALUES (?, ?,
                    'queued', ?, ?)""",
                (kind, dump(dict(params or {})), now, now),
            )
            return _load(connection, int(cursor.lastrowid or 0))

        return await self._db.write(add)

    async def create_or_join(
        self, kind: str, params: Mapping[str, Any] | None = None
    ) -> tuple[Job, bool]:
        """A new queued job and True, or the live one of this kind and False."""
        while True:
            try:
                return await self.create(kind, params), True
            except Conflict:
                live = [job for job in await self.live() if job.kind == kind]
                if live:
                    return live[0], False
                # It ended meanwhile.

    async def get(self, job_id: int) -> Job:
        """The job.

        Raises:
            NotFound: there is none of this id.
        """
        return await self._db.read(lambda connection: _load(connection, job_id))

    async def live(self) -> JobList:
        """Jobs that have not finished, oldest first."""
        return await self._find("WHERE finished_at IS NULL ORDER BY id")

    async def list(self, limit: int = 50) -> JobList:
        """The newest jobs, newest first."""
        return await self._find("ORDER BY id DESC LIMIT ?", limit)

    async def stale(self, older_than_s: float) -> JobList:
        """Live jobs whose last heartbeat is older than that: their process is gone."""
        return await self._find(
            "WHERE finished_at IS NULL AND heartbeat_at < ? ORDER BY id",
            self._clock() - older_than_s,
        )

    async def progress(
        self,
        job_id: int,
        stage: str,
        progress: float,
        eta_s: float | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Job:
        """The job, running, with its news: progress kept within 0..1, metrics added by key.

        Raises:
            Conflict: the job has finished.
            NotFound: there is no such job.
        """
        now = self._clock()

        def note(connection: sqlite3.Connection) -> Job:
            job = _open(connection, job_id)
            connection.execute(
                """UPDATE jobs SET state = 'running', stage = ?, progress = ?, eta_s = ?, metrics =
                    ?,
                   heartbeat_at = ? WHERE id = ?""",
                (
                    clean(stage),
                    min(1.0, max(0.0, progress)),
                    eta_s,
                    dump({**job.metrics, **(metrics or {})}),
                    now,
                    job_id,
                ),
            )
            return _load(connection, job_id)

        return await self._db.write(note)

    async def heartbeat(self, job_id: int) -> None:
        """The job's process lives."""
        now = self._clock()

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE jobs SET heartbeat_at = ? WHERE id = ? AND finished_at IS NULL",
                (now, job_id),
            )

        await self._db.write(note)

    async def finish(
        self, job_id: int, state: str, reason: str = "", metrics: Mapping[str, Any] | None = None
    ) -> Job:
        """The job with its end: ``done``, ``failed``, ``refused`` or ``cancelled``.

        Raises:
            Conflict: it has finished before.
            NotFound: there is no such job.
        """
        now = self._clock()

        def end(connection: sqlite3.Connection) -> Job:
            job = _open(connection, job_id)
            connection.execute(
                """UPDATE jobs SET state = ?, reason = ?, metrics = ?, eta_s = NULL, heartbeat_at =
                    ?,
                   progress = CASE WHEN ? = 'done' THEN 1 ELSE progress END, finished_at = ? WHERE
                   id = ?""",
                (
                    state,
                    clean(reason),
                    dump({**job.metrics, **(metrics or {})}),
                    now,
                    state,
                    now,
                    job_id,
                ),
            )
            return _load(connection, job_id)

        return await self._db.write(end)

    async def _find(self, tail: str, *params: object) -> JobList:
        def find(connection: sqlite3.Connection) -> JobList:
            return [_job(row) for row in connection.execute(f"SELECT * FROM jobs {tail}", params)]  # noqa: S608

        return await self._db.read(find)


def _job(row: sqlite3.Row) -> Job:
    return Job(
        **{
            **{key: row[key] for key in row.keys()},  # noqa: SIM118  a Row iterates over values
            "params": msgspec.json.decode(row["params"]),
            "metrics": msgspec.json.decode(row["metrics"]),
        }
    )


def _load(connection: sqlite3.Connection, job_id: int) -> Job:
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return _job(row)


def _open(connection: sqlite3.Connection, job_id: int) -> Job:
    job = _load(connection, job_id)
    if job.finished_at is not None:
        raise Conflict(f"Job {job_id} has finished.")
    return job
