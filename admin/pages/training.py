"""Training: what is new, one button, and what happens after it is pressed."""

from __future__ import annotations

from aiohttp import web

from admin.pages.frame import audit, fields, go, page, services_of
from admin.pages.model_pictures import losses
from bot import ui
from bot.access import Route
from bot.http import json_response
from bot.learning.gate import Ruling
from bot.learning.jobs import TRAIN
from bot.settings import PRESETS
from bot.store.novelty import Novelty
from bot.store.records import Job

_HOME = "/admin/training"
_CHOICES = ("all", "classifier", "ranker")
_HISTORY = 15
_LOG_LINES = 12


async def training_page(request: web.Request) -> web.StreamResponse:
    """News, the running training or the form of a new one, the trainings before."""
    services = services_of(request)
    jobs = [job for job in await services.store.jobs.list(50) if job.kind == TRAIN]
    job = next((job for job in jobs if job.finished_at is None), None)
    live = services.serving.bundle
    bundles = await services.store.models.bundles()
    champion = next((row for row in bundles if "champion" in row.aliases), None)
    news = await Novelty(services.store.db, services.clock).since(
        champion.created_at if champion is not None else 0.0
    )
    articles = await services.store.knowledge.articles(per_page=1)
    return page(
        request,
        "panel_training.html",
        "models",
        news=news,
        champion=champion,
        can_train=articles.total > 0,
        partial=live is not None,
        parts=[(part, ui.translate(request, f"panel.training.part.{part}")) for part in _CHOICES],
        presets=[("", ui.translate(request, "panel.training.preset-settings"))]
        + [(name, name) for name in PRESETS],
        runs=[done for done in jobs if done.finished_at is not None][:_HISTORY],
        job=job,
        stage=stage_of(request, job),
        eta=_eta(request, job),
        loss=losses(request, job.metrics) if job is not None else "",
        log=_log(job),
        why=lambda run: _why(request, run),
    )


async def train(request: web.Request) -> web.StreamResponse:
    """Start a training, or show the one that runs."""
    given = await fields(request)
    promote = given.get("promote", "1") == "1"
    job = await services_of(request).jobs.train(
        part=given.get("part", "all") or "all", preset=given.get("preset", ""), promote=promote
    )
    await audit(request, "training.started", str(job.id))
    return go(_HOME, "training")


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop the running training."""
    services = services_of(request)
    for job in await services.store.jobs.live():
        if job.kind == TRAIN:
            await services.jobs.cancel(job.id)
            await audit(request, "training.cancelled", str(job.id))
    return go(_HOME, "cancelled")


async def job_state(request: web.Request) -> web.StreamResponse:
    """The running training for the page's script; ``job`` is null when there is none."""
    job = await _running(request)
    if job is None:
        return json_response({"job": None})
    said = {
        "id": job.id,
        "progress": job.progress,
        "stage": stage_of(request, job),
        "eta": _eta(request, job),
        "log": _log(job),
    }
    return json_response({"job": said})


async def loss_drawing(request: web.Request) -> web.StreamResponse:
    """The loss curves as they are now; 204 when nothing runs."""
    job = await _running(request)
    if job is None:
        return web.Response(status=204)
    return web.Response(text=str(losses(request, job.metrics)), content_type="text/html")


def stage_of(request: web.Request, job: Job | None) -> str:
    """What a job does, in the words of the one who looks."""
    if job is None:
        return ""
    # "ranking: folds" is told as "ranking"
    stage = (job.stage or job.state).split(":")[0]
    try:
        return ui.translate(request, f"panel.stage.{stage}")
    except KeyError:
        return stage


async def _running(request: web.Request) -> Job | None:
    live = await services_of(request).store.jobs.live()
    return next((job for job in live if job.kind == TRAIN), None)


def _why(request: web.Request, run: Job) -> str:
    """Why a training ended as it did, in the words of the one who looks."""
    if run.state == "cancelled":
        return ""  # the state says it all
    ruling = Ruling.of_metrics(run.metrics)
    if ruling is None or run.state not in ("done", "refused"):
        return run.reason
    words = ruling.words(ui.viewer_for(request).language)
    if run.state == "done" and not run.metrics.get("promoted"):
        return ui.translate(request, "panel.training.only-compared", why=words)
    return words


def _log(job: Job | None) -> str:
    return "\n".join((job.metrics.get("log") or ())[-_LOG_LINES:]) if job is not None else ""


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
        Route("GET", _HOME, training_page, "admin"),
        Route("POST", _HOME, train, "admin"),
        Route("POST", f"{_HOME}/cancel", cancel, "admin"),
        Route("GET", f"{_HOME}/job", job_state, "admin"),
        Route("GET", f"{_HOME}/loss", loss_drawing, "admin"),
    )
