"""Trained models and the jobs that make them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from bot.access import Route
from bot.http import decode, json_response, row_id
from bot.services import SERVICES
from bot.store.records import BundleRow, Job


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job to start; ``train`` makes a new model from all data."""

    kind: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,30}$")] = "train"


class ApiModel(msgspec.Struct, frozen=True):
    """A published bundle; ``aliases`` say whether it is live."""

    version: str
    created_at: float
    aliases: tuple[str, ...]
    metrics: dict[str, Any]


class ApiModels(msgspec.Struct, frozen=True):
    """All bundles, and which one answers now (null: none, answers come by words)."""

    live: str | None
    items: tuple[ApiModel, ...]


class ApiJob(msgspec.Struct, frozen=True):
    """A job. ``progress`` is 0..1; ``finished_at`` null while it runs."""

    id: int
    kind: str
    state: str
    stage: str
    progress: float
    eta_s: float | None
    metrics: dict[str, Any]
    reason: str
    created_at: float
    finished_at: float | None


class ApiJobs(msgspec.Struct, frozen=True):
    """Jobs, newest first."""

    items: tuple[ApiJob, ...]


async def list_models(request: web.Request) -> web.Response:
    """All bundles."""
    services = request.config_dict[SERVICES]
    rows: list[BundleRow] = list(await services.store.models.bundles())
    items = tuple(
        ApiModel(row.version, row.created_at, row.aliases, dict(row.metrics)) for row in rows
    )
    bundle = services.serving.bundle
    return json_response(ApiModels(bundle.version if bundle else None, items))


async def list_jobs(request: web.Request) -> web.Response:
    """The latest jobs."""
    rows = await request.config_dict[SERVICES].store.jobs.list()
    return json_response(ApiJobs(tuple(_shown(row) for row in rows)))


async def get_job(request: web.Request) -> web.Response:
    """One job."""
    row = await request.config_dict[SERVICES].store.jobs.get(row_id(request))
    return json_response(_shown(row))


async def start_job(request: web.Request) -> web.Response:
    """Start a job; one of a kind runs at a time."""
    new = await decode(request, NewJob)
    job = await request.config_dict[SERVICES].jobs.submit(new.kind)
    return json_response(_shown(job), 202)


def _shown(row: Job) -> ApiJob:
    return ApiJob(
        id=row.id,
        kind=row.kind,
        state=row.state,
        stage=row.stage,
        progress=row.progress,
        eta_s=row.eta_s,
        metrics=dict(row.metrics),
        reason=row.reason,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


ROUTES = (
    Route("GET", "/api/v1/models", list_models, "token:admin", "List the models.", reply=ApiModels),
    Route("GET", "/api/v1/jobs", list_jobs, "token:admin", "List the jobs.", reply=ApiJobs),
    Route("GET", "/api/v1/jobs/{id}", get_job, "token:admin", "One job's progress.", reply=ApiJob),
    Route(
        "POST",
        "/api/v1/jobs",
        start_job,
        "token:admin",
        "Start a job, e.g. a training.",
        NewJob,
        ApiJob,
        status=202,
    ),
)
