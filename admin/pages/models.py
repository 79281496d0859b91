"""Models: which answers, how good it is, training, promote and roll back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from admin.operations import promote_model, roll_back
from admin.pages.frame import actor, audit, fields, go, page, services_of
from bot import ui
from bot.access import Route
from bot.http import json_response
from bot.learning.jobs import TRAIN
from bot.store.records import BundleRow, Job

# metric path in a bundle's metrics -> catalogue key; those that are shares 0..1 show as percent
_MEASURES = (
    ("classifier.accuracy", True),
    ("classifier.top3", True),
    ("classifier.macro_f1", True),
    ("ranking.acc_at_1", True),
    ("ranking.recall_at_5", True),
    ("ranking.mrr", False),
)


async def models_page(request: web.Request) -> web.StreamResponse:
    """Champion and previous side by side, the running job, the runs before."""
    services = services_of(request)
    bundles = await services.store.models.bundles()
    jobs = [job for job in await services.store.jobs.list(20) if job.kind == TRAIN]
    job = next((job for job in jobs if job.finished_at is None), None)
    champion, previous = _aliased(bundles, "champion"), _aliased(bundles, "previous")
    articles = await services.store.knowledge.articles(per_page=1)
    return page(
        request,
        "panel_models.html",
        "models",
        bundles=bundles,
        champion=champion,
        previous=previous,
        measures=_compared(request, champion, previous),
        shares=[name for name, share in _MEASURES if share],
        can_train=articles.total > 0,
        problem_text=services.serving.problem,
        stale=await services.store.erasing.stale_bundles(),
        runs=[done for done in jobs if done.finished_at is not None][:8],
        job=job,
        stage=_stage(request, job),
        eta=_eta(request, job),
    )


async def train(request: web.Request) -> web.StreamResponse:
    """Start a training."""
    job = await services_of(request).jobs.train()
    await audit(request, "training.started", str(job.id))
    return go("/admin/models", "training")


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop the running training."""
    services = services_of(request)
    for job in await services.store.jobs.live():
        if job.kind == TRAIN:
            await services.jobs.cancel(job.id)
            await audit(request, "training.cancelled", str(job.id))
    return go("/admin/models", "cancelled")


async def job_state(request: web.Request) -> web.StreamResponse:
    """The running training for the page's script; ``job`` is null when there is none."""
    live = [job for job in await services_of(request).store.jobs.live() if job.kind == TRAIN]
    if not live:
        return json_response({"job": None})
    job = live[0]
    said = {
        "id": job.id,
        "progress": job.progress,
        "stage": _stage(request, job),
        "eta": _eta(request, job),
    }
    return json_response({"job": said})


async def promote(request: web.Request) -> web.StreamResponse:
    """Let a version answer."""
    services = services_of(request)
    given = await fields(request)
    version = given.get("version", "")
    await promote_model(services, version, actor=actor(request), force=bool(given.get("force")))
    return go("/admin/models", "promoted", version=version)


async def rollback(request: web.Request) -> web.StreamResponse:
    """Go back to the previous version."""
    version = await roll_back(services_of(request), actor=actor(request))
    return go("/admin/models", "rolled-back", version=version)


def _aliased(bundles: list[BundleRow], alias: str) -> BundleRow | None:
    return next((bundle for bundle in bundles if alias in bundle.aliases), None)


def _compared(
    request: web.Request, champion: BundleRow | None, previous: BundleRow | None
) -> list[dict[str, Any]]:
    rows = []
    for name, _ in _MEASURES:
        now = _figure(champion.metrics if champion else {}, name)
        before = _figure(previous.metrics if previous else {}, name)
        if now is None and before is None:
            continue
        difference = now - before if now is not None and before is not None else None
        label = ui.translate(request, f"panel.measure.{name}")
        rows.append(
            {"name": name, "label": label, "now": now, "before": before, "difference": difference}
        )
    return rows


def _figure(metrics: Mapping[str, Any], path: str) -> float | None:
    value: Any = metrics
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _stage(request: web.Request, job: Job | None) -> str:
    if job is None:
        return ""
    # "ranking: folds" is told as "ranking"
    stage = (job.stage or job.state).split(":")[0]
    try:
        return ui.translate(request, f"panel.stage.{stage}")
    except KeyError:
        return stage


def _eta(request: web.Request, job: Job | None) -> str:
    if job is None or job.eta_s is None:
        return ""
    seconds = max(1, round(job.eta_s))
    if seconds < 90:
        return ui.translate(request, "panel.models.eta-s", n=seconds)
    return ui.translate(request, "panel.models.eta-min", n=-(-seconds // 60))


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/models", models_page, "admin"),
        Route("GET", "/admin/models/job", job_state, "admin"),
        Route("POST", "/admin/models/train", train, "admin"),
        Route("POST", "/admin/models/cancel", cancel, "admin"),
        Route("POST", "/admin/models/promote", promote, "admin"),
        Route("POST", "/admin/models/rollback", rollback, "admin"),
    )
