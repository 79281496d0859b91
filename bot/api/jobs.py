"""Jobs that train models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from bot.access import Route, actor
from bot.http import decode, json_response, row_id
from bot.services import SERVICES
from bot.store.records import Job


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job to start; ``train`` makes a new model from all data.

    ``part`` trains one part and takes the others over from the live model. With ``promote`` the
    model goes live if it passes its checks.
    """

    kind: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,30}$")] = "train"
    part: Literal["classifier", "ranker", "all"] = "all"
    preset: Annotated[str, msgspec.Meta(pattern="^[a-z]{0,30}$")] = ""
    promote: bool = True


class ApiLoss(msgspec.Struct, frozen=True):
    """The loss of one fit: points of (share of its steps done, loss)."""

    fit: str
    points: tuple[tuple[float, ...], ...]


class ApiJob(msgspec.Struct, frozen=True):
    """A job. ``progress`` is 0..1; ``finished_at`` null while it runs.

    ``log`` is the end of its log, ``loss`` the curves of its latest fits. ``reason`` says why it
    failed or was refused; ``metrics.ruling`` has each check.
    """

    id: int
    kind: str
    state: str
    stage: str
    progress: float
    eta_s: float | None
    metrics: dict[str, Any]
    reason: str
    part: str
    log: tuple[str, ...]
    loss: tuple[ApiLoss, ...]
    created_at: float
    finished_at: float | None


class ApiJobs(msgspec.Struct, frozen=True):
    """Jobs, newest first."""

    items: tuple[ApiJob, ...]


async def list_jobs(request: web.Request) -> web.Response:
    """The latest jobs."""
    rows = await request.config_dict[SERVICES].store.jobs.list()
    return json_response(ApiJobs(tuple(_shown(row) for row in rows)))


async def get_job(request: web.Request) -> web.Response:
    """One job."""
    row = await request.config_dict[SERVICES].store.jobs.get(row_id(request))
    return json_response(_shown(row))


async def start_job(request: web.Request) -> web.Response:
    """Start a job (202), or give the one of this kind that runs (200)."""
    services = request.config_dict[SERVICES]
    new = await decode(request, NewJob)
    wanted = {"part": new.part, "preset": new.preset, "promote": new.promote}
    job, created = await services.jobs.submit(new.kind, wanted)
    if created:
        await services.store.people.audit(actor(request), "training.started", str(job.id), wanted)
    return json_response(_shown(job), 202 if created else 200)


async def cancel_job(request: web.Request) -> web.Response:
    """Stop a job and give it as it ended."""
    services = request.config_dict[SERVICES]
    job = await services.jobs.cancel(row_id(request))
    await services.store.people.audit(actor(request), "training.cancelled", str(job.id))
    return json_response(_shown(job))


def _shown(row: Job) -> ApiJob:
    metrics = dict(row.metrics)
    return ApiJob(
        id=row.id,
        kind=row.kind,
        state=row.state,
        stage=row.stage,
        progress=row.progress,
        eta_s=row.eta_s,
        reason=row.reason,
        part=str(row.params.get("part") or "all"),
        log=tuple(metrics.pop("log", ())),
        loss=msgspec.convert(metrics.pop("loss", ()), tuple[ApiLoss, ...]),
        metrics=metrics,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


ROUTES = (
    Route("GET", "/api/v1/jobs", list_jobs, "token:admin", "List the jobs.", reply=ApiJobs),
    Route("GET", "/api/v1/jobs/{id}", get_job, "token:admin", "One job's progress.", reply=ApiJob),
    Route(
        "POST",
        "/api/v1/jobs",
        start_job,
        "token:admin",
        "Start a training, or join the one that runs.",
        NewJob,
        ApiJob,
        status=202,
        again=200,
    ),
    Route(
        "POST",
        "/api/v1/jobs/{id}/cancel",
        cancel_job,
        "token:admin",
        "Stop a job.",
        reply=ApiJob,
    ),
)
