"""Long work in child processes as durable jobs: one live job a kind, progress, cancelling.

A job is a row and a folder, so a restarted server finds a child that still works, or what a child
finished while no server watched.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bot.bus import Bus
from bot.errors import BadRequest, Conflict, NeurobotError
from bot.learning.child import Child
from bot.learning.diary import Diary
from bot.learning.threads import to_the_end
from bot.learning.training import JOB_FILE, TRAIN, TrainingWork
from bot.learning.training_set import TrainingSet
from bot.learning.work import Work
from bot.ports import Clock
from bot.serving import Serving
from bot.settings import Settings
from bot.store import Store
from bot.store.records import Job

_LOG = logging.getLogger(__name__)

__all__ = ["TRAIN", "JobRunner"]

_WATCH_S: Final = 0.3
_HEARTBEATS_S: Final = 10.0


class JobRunner:
    """Starts, watches and cancels jobs: ``train``, and what is offered besides."""

    def __init__(
        self, settings: Settings, store: Store, serving: Serving, bus: Bus, clock: Clock
    ) -> None:
        self._settings = settings
        self._store = store
        self._bus = bus
        self.training_set = TrainingSet(settings, store, serving, clock)
        training = TrainingWork(settings, store, serving, bus, self.training_set)
        self._works: dict[str, Work] = {training.kind: training}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._children: dict[int, Child] = {}
        self._cancelled: set[int] = set()

    async def start(self) -> None:
        """Take up the jobs that an earlier server left live."""
        await self._take_up(set(self._works))

    async def offer(self, work: Work) -> None:
        """Take on another kind of work, and its jobs that an earlier server left live."""
        self._works[work.kind] = work
        await self._take_up({work.kind})

    async def _take_up(self, kinds: set[str]) -> None:
        for job in await self._store.jobs.live():
            if job.kind not in kinds:
                continue
            if (self._folder(job.id) / JOB_FILE).exists():
                self._children[job.id] = self._child(job)
                self._spawn(job, fresh=False)
            else:
                await self._finish(job, "failed", "The server ended before the work began.")

    async def stop(self) -> None:
        """Stop watching. The children go on and are found again at the next start.

        Nothing is half-way when this returns: a child whose launch had begun is launched, one whose
        launch had not begun will not be, and no thread, pipe or process of this server is left.
        """
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def submit(self, kind: str, params: Mapping[str, Any] | None = None) -> tuple[Job, bool]:
        """A job that was begun and True, or the live one of this kind and False.

        Args:
            kind: ``train``, or one that was offered.
            params: of ``train``: ``part`` (``classifier``, ``ranker`` or ``all``), ``preset``,
                ``seed``, ``promote`` (default true: go live if the gate passes).

        Raises:
            BadRequest: unknown kind or parameter.
        """
        wanted = dict(params or {})
        if kind not in self._works:
            raise BadRequest(f"There are no jobs of kind '{kind}'.")
        self._works[kind].check(wanted)
        job, created = await self._store.jobs.create_or_join(kind, wanted)
        if created:
            self._spawn(job, fresh=True)
        return job, created

    async def train(self, *, part: str = "all", preset: str = "", promote: bool = True) -> Job:
        """A training that was begun, or the one that runs; see ``submit``."""
        wanted = {"part": part, "preset": preset, "promote": promote}
        return (await self.submit(TRAIN, wanted))[0]

    async def cancel(self, job_id: int) -> Job:
        """End a live job and give it as it is then.

        Raises:
            NotFound: no such job.
            Conflict: it has already ended.
        """
        job: Job = await self._store.jobs.get(job_id)
        if job.finished_at is not None:
            raise Conflict("The job has already ended.")
        self._cancelled.add(job_id)
        child = self._children.get(job_id)
        if child is not None:
            await child.end()
        return await self.wait(job_id)

    async def wait(self, job_id: int) -> Job:
        """The job once it has ended.

        Raises:
            NotFound: no such job.
        """
        task = self._tasks.get(job_id)
        if task is not None:
            await asyncio.wait([task])
        ended: Job = await self._store.jobs.get(job_id)
        return ended

    def _child(self, job: Job) -> Child:
        return Child(self._folder(job.id), self._works[job.kind].module)

    def _folder(self, job_id: int) -> Path:
        return self._settings.data_path / "jobs" / str(job_id)

    def _spawn(self, job: Job, *, fresh: bool) -> None:
        task = asyncio.create_task(self._run(job, fresh=fresh), name=f"job-{job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._forget(job.id))

    def _forget(self, job_id: int) -> None:
        self._tasks.pop(job_id, None)
        self._children.pop(job_id, None)
        self._cancelled.discard(job_id)

    async def _run(self, job: Job, *, fresh: bool) -> None:
        try:
            if fresh:
                await self._begin(job)
            said = await self._watch(job)
            await self._end(job, said)
        except NeurobotError as error:
            await self._finish(job, "failed", str(error))
        except Exception as error:  # noqa: BLE001
            # The edge of the task: whatever broke, the row must not stay live for ever.
            _LOG.exception("Job %d failed", job.id)
            await self._finish(job, "failed", f"{type(error).__name__}: {error}")

    async def _begin(self, job: Job) -> None:
        await self._tell(job, "collecting", 0.0, None)
        work = self._works[job.kind]
        await work.prepare(job, self._folder(job.id))
        if job.id in self._cancelled:
            return
        child = self._child(job)
        self._children[job.id] = child
        await child.start(work.threads)
        if job.id in self._cancelled:
            await child.end()

    async def _watch(self, job: Job) -> dict[str, Any]:
        """Pass progress on until the child is gone; gives its last word."""
        last: dict[str, Any] = {}
        child = self._children.get(job.id)
        diary, silent_s = Diary(), 0.0
        while child is not None:
            going = child.runs()
            # Asked before reading, so that the lines of a child that just ended are all there.
            news = child.news()
            for line in news:
                if not diary.take(line) and "stage" not in line:
                    last.update(line)
            stages = [line for line in news if "stage" in line]
            if stages and not last:
                latest = stages[-1]
                await self._tell(
                    job, latest["stage"], latest["progress"], latest.get("eta_s"), diary.metrics
                )
                silent_s = 0.0
            elif silent_s >= _HEARTBEATS_S:
                await self._store.jobs.heartbeat(job.id)
                silent_s = 0.0
            if not going:
                diary.note(child.last_lines())
                last["diary"] = diary.metrics
                break
            await asyncio.sleep(_WATCH_S)
            silent_s += _WATCH_S
        return last

    async def _end(self, job: Job, said: Mapping[str, Any]) -> None:
        diary = said.get("diary", {})
        made = {name: value for name, value in said.items() if name != "diary"}
        if made and "failed" not in made and job.id not in self._cancelled:
            work = self._works[job.kind]
            await self._tell(job, work.closing, 0.99, None)
            ending = await work.conclude(job, made, self._folder(job.id))
            await self._finish(job, ending.state, ending.reason, {**diary, **ending.metrics})
        elif job.id in self._cancelled:
            await self._finish(job, "cancelled", "Cancelled.", diary)
        elif "failed" in said:
            await self._finish(job, "failed", str(said["failed"]), diary)
        else:
            child = self._children.get(job.id)
            words = child.last_words() if child is not None else ""
            reason = f"The process ended early. {words}".strip()
            await self._finish(job, "failed", reason, diary)

    async def _tell(
        self,
        job: Job,
        stage: str,
        progress: float,
        eta_s: float | None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        await self._store.jobs.progress(job.id, stage, progress, eta_s, metrics or {})
        self._publish(job, state="running", stage=stage, progress=progress, eta_s=eta_s)

    async def _finish(
        self, job: Job, state: str, reason: str, metrics: Mapping[str, Any] | None = None
    ) -> None:
        await self._store.jobs.finish(job.id, state, reason, dict(metrics or {}))
        self._publish(job, state=state, stage="", progress=1.0, eta_s=None, reason=reason)
        await to_the_end(self._tidy, job.id)

    def _tidy(self, job_id: int) -> None:
        # Customers' texts that nobody needs any more, and what a killed child left half-made.
        for folder in (self._folder(job_id), *self._settings.artefacts_path.glob(".new-*")):
            shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, job: Job, **news: Any) -> None:
        self._bus.publish("desk", "job.progress", {"id": job.id, "kind": job.kind, **news})
