"""The server's side of the job ``insights``: what its child is given, and where scores go."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from admin.scoring.orders import (
    ALIASES,
    CHURN,
    DESK,
    ORDERS,
    SCORES,
    TABLE,
    TARGETS,
    VALUE,
    Due,
    Orders,
    TableOrders,
    read_result,
    write,
)
from bot.errors import BadRequest, NotFound
from bot.learning.work import Ending
from bot.services import Services
from bot.store.chat_names import chat_names
from bot.store.desk_facts import DeskFacts
from bot.store.insights import Member, NewRun, Run, Score
from bot.store.records import Job

INSIGHTS: Final = "insights"
_DAY_S: Final = 86_400.0


class InsightWork:
    """The kind ``insights``: one target, from the events or from an uploaded table.

    Params of a job: ``target``; ``event``, the name of what shall happen, for ``paid`` and ``buy``,
    of a purchase for ``value``, with ``counter``, the name of its amount; or ``table``, as
    ``TableOrders``, with ``upload``, the name of the file among the uploads.
    """

    kind = INSIGHTS
    module = "admin.scoring"
    closing = "storing"

    def __init__(self, services: Services) -> None:
        self.threads = services.settings.training.threads
        self._services = services

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse an unknown target, or one without its event.

        Raises:
            BadRequest: it is.
        """
        target = params.get("target")
        if target not in TARGETS:
            raise BadRequest(f"Unknown target; choose one of {', '.join(TARGETS)}.")
        if target != CHURN and not params.get("event") and not params.get("table"):
            raise BadRequest("Name the event that shall happen.")

    async def prepare(self, job: Job, folder: Path) -> None:
        """Export what there is to count, with the flags that can be judged by now."""
        await asyncio.to_thread(_fresh, folder)
        params, settings = job.params, self._services.settings.insights
        table = params.get("table")
        due = await self._due(str(params["target"])) if table is None else ()
        if table is not None:
            await asyncio.to_thread(self._take_upload, str(params["upload"]), folder / TABLE)
        else:
            await self._write_desk(folder)
        orders = Orders(
            target=str(params["target"]),
            now=self._services.clock(),
            events_file=str(self._services.settings.events_path),
            export_folder=self._services.settings.events.export_dir,
            model_folder=str(self._model_folder(job)),
            max_minutes=settings.max_minutes,
            event=str(params.get("event") or ""),
            counter=str(params.get("counter") or ""),
            engine=settings.engine,
            windows_days=settings.windows_days,
            horizon_days=settings.horizon_days,
            precision=settings.precision,
            held_share=settings.held_share,
            table=None if table is None else msgspec.convert(table, TableOrders),
            due=due,
        )
        await asyncio.to_thread(write, folder / ORDERS, orders)

    async def conclude(self, job: Job, said: Mapping[str, Any], folder: Path) -> Ending:
        """Store outcomes, scores and flags."""
        del said
        store = self._services.store
        result = await asyncio.to_thread(read_result, folder)
        members = {name: Member("", company) for name, company in result.members.items()}
        aliases = folder / ALIASES
        if aliases.exists():
            persons = msgspec.json.decode(aliases.read_bytes(), type=dict[str, str])
            members |= {
                chat: Member(person, result.members.get(person, ""))
                for chat, person in persons.items()
            }
        table = job.params.get("table")
        made = NewRun(
            target=str(job.params["target"]),
            job_id=job.id,
            source=table["name"] if table else "events",
            as_of=result.as_of,
            horizon_s=result.report["horizon_days"] * _DAY_S,
            threshold=result.threshold,
            report=result.report,
        )
        run = await store.insights.store_run(made, _scores(folder / SCORES), members)
        await store.flags.judge({int(flag): came for flag, came in result.outcomes.items()})
        flagged = await self.apply(run)
        await asyncio.to_thread(self._drop_old_models, run.target, self._model_folder(job))
        return Ending("done", "", {"run": run.id, "subjects": run.subjects, "flagged": flagged})

    async def apply(self, run: Run) -> int:
        """Flags as the run's threshold says; how many are new and shown."""
        return 0 if run.target == VALUE else await self._services.store.flags.apply(run)

    async def _due(self, target: str) -> tuple[Due, ...]:
        store = self._services.store
        flags = await store.flags.due(target, self._services.clock())
        events = {run.id: run.report.get("event") for run in await store.insights.runs(target, 500)}
        return tuple(
            Due(flag.id, flag.subject, str(events[flag.run_id] or ""), flag.as_of, flag.due_at)
            for flag in flags
            # What a table foretold, only a table can tell.
            if events.get(flag.run_id) is not None
        )

    async def _write_desk(self, folder: Path) -> None:
        """What customers did at the desk, and the names under which the site knows them."""
        services = self._services
        settings = services.settings.insights
        days = 2 * max(settings.windows_days) + settings.horizon_days + 1
        since = services.clock() - days * _DAY_S
        await DeskFacts(services.store.db, services.clock).write(folder / DESK, since)
        persons = await chat_names(services.intake.events)
        (folder / ALIASES).write_bytes(msgspec.json.encode(persons))

    def _take_upload(self, name: str, target: Path) -> None:
        path = self._services.settings.data_path / "uploads" / f"{name}.csv"
        try:
            shutil.move(path, target)  # names of customers: once is enough
        except FileNotFoundError:
            raise NotFound("The uploaded table is gone.", remedy="Upload it again.") from None

    def _model_folder(self, job: Job) -> Path:
        return self._services.settings.insights_path / f"{job.params['target']}-{job.id}"

    def _drop_old_models(self, target: str, keep: Path) -> None:
        for old in keep.parent.glob(f"{target}-*"):
            if old != keep:
                shutil.rmtree(old, ignore_errors=True)


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    # Names of customers: nobody else on the machine may read them.
    folder.mkdir(parents=True, mode=0o700)


def _scores(path: Path) -> Iterator[Score]:
    decode = msgspec.json.Decoder(Score).decode
    with path.open("rb") as lines:
        for line in lines:
            yield decode(line)
