"""Who will leave, pay or buy: the curve and its threshold, who is flagged, what acting brings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import (
    audit,
    fields,
    formats_of,
    go,
    number_in,
    page,
    services_of,
)
from admin.pages.insight_pictures import (
    calibration,
    curve,
    curve_of,
    figures_of,
    place_of,
    warnings_of,
)
from admin.pages.tables import csv_response
from admin.scoring.lift import Lift, lift, needed
from admin.scoring.orders import BUY, CHURN, PAID
from admin.scoring.work import INSIGHTS
from bot import ui
from bot.access import Route
from bot.errors import BadRequest, Conflict
from bot.http import json_response, query
from bot.store.flags import HELD, SHOWN, Arm, Flag
from bot.store.insights import Run
from bot.store.records import Job
from bot.ui.counters import in_words

HOME: Final = "/admin/insights"
FLAGS: Final = (CHURN, PAID, BUY)
_PER_PAGE: Final = 25
_MOST: Final = 100_000  # flags of one file
_HISTORY: Final = 10
_RELATIVE: Final = 0.03  # the change that a campaign usually brings


class _Wish(msgspec.Struct, frozen=True):
    query: Annotated[str, msgspec.Meta(max_length=200)] = ""
    page: str = "1"


async def insight_page(request: web.Request) -> web.StreamResponse:
    """One target: its latest run, its flags, its hold-out, and a form for the next run."""
    target = request.match_info["target"]
    wish = query(request, _Wish)
    store = services_of(request).store
    runs = await store.insights.runs(target, _HISTORY)
    run = runs[0] if runs else None
    shown: dict[str, Any] = await _of_run(request, run) if run is not None else {}
    flags = await store.flags.open(
        target, query=wish.query, page=number_in(wish.page, 1, 100_000, 1), per_page=_PER_PAGE
    )
    return page(
        request,
        "panel_insight.html",
        "customers",
        target=target,
        run=run,
        runs=runs,
        job=await running(request),
        failed=await failed_run(request, target),
        stage=partial(stage_of, request),
        flags=flags,
        reasons=partial(_reasons, request),
        wish=wish,
        base_url=f"{HOME}/{target}?{urlencode({'query': wish.query})}#flags",
        figures_of=figures_of,
        **shown,
    )


async def _of_run(request: web.Request, run: Run) -> dict[str, Any]:
    arms = await services_of(request).store.flags.arms(run.target)
    return {
        "place": place_of(run),
        "drawing": curve(request, run),
        "calibration": calibration(request, run),
        "warnings": warnings_of(request, run.report["warnings"]),
        "arms": arms,
        "lift": _lift(arms[SHOWN], arms[HELD]),
        "needed": _needed(run, arms[HELD]),
        "relative": _RELATIVE,
    }


async def start(request: web.Request) -> web.StreamResponse:
    """Count, fit and score anew, or show what runs."""
    target = request.match_info["target"]
    given = await fields(request)
    event = given.get("event", "")
    if target != CHURN and not event:
        raise BadRequest(ui.translate(request, "panel.insights.no-event"))
    params = {"target": target, "event": event[:64]}
    job, fresh = await services_of(request).jobs.submit(INSIGHTS, params)
    if fresh:
        await audit(request, "insights.started", target, {"job": job.id})
    return go(f"{HOME}/{target}")


async def cancel(request: web.Request) -> web.StreamResponse:
    """Stop the run."""
    job = await running(request)
    if job is not None:
        try:
            await services_of(request).jobs.cancel(job.id)
        except Conflict:
            return go(f"{HOME}/{request.match_info['target']}")
        await audit(request, "insights.cancelled", str(job.params["target"]), {"job": job.id})
    return go(f"{HOME}/{request.match_info['target']}", "insights-cancelled")


async def set_threshold(request: web.Request) -> web.StreamResponse:
    """Flag the share that the slider says: the threshold of the nearest place of the curve."""
    target = request.match_info["target"]
    store = services_of(request).store
    run = await store.insights.latest(target)
    try:
        share = float((await fields(request)).get("share", ""))
    except ValueError:
        share = -1.0
    if run is None or not 0 <= share <= 1:
        raise BadRequest(ui.translate(request, "panel.insights.bad-share"))
    place = min(curve_of(run), key=lambda point: (abs(point["share"] - share), point["share"]))
    changed = await store.insights.set_threshold(run.id, place["threshold"])
    new = await store.flags.apply(changed)
    detail = {"threshold": round(place["threshold"], 4), "share": round(place["share"], 4)}
    await audit(request, "insights.threshold", target, detail)
    return go(f"{HOME}/{target}", "insights-threshold", n=new)


async def flags_file(request: web.Request) -> web.StreamResponse:
    """The flags as CSV, each with its three counters."""
    target = request.match_info["target"]
    wish = query(request, _Wish)
    found = await services_of(request).store.flags.open(target, query=wish.query, per_page=_MOST)
    t = partial(ui.translate, request)
    header = [t(f"panel.insights.{name}") for name in ("subject", "probability", "since")]
    header += [f"{t('panel.insights.reason')} {n}" for n in (1, 2, 3)]
    formats = formats_of(request)
    rows = (
        [flag.subject, f"{flag.probability:.4f}", formats.iso(flag.flagged_at),
         *_reasons(request, flag)]
        for flag in found.items
    )  # fmt: skip
    await audit(request, "insights.exported", target, {"flags": found.total})
    return csv_response(f"{target}-flags", header, rows)


async def job_state(request: web.Request) -> web.StreamResponse:
    """The run for the page's script; ``job`` is null when there is none."""
    job = await running(request)
    if job is None:
        return json_response({"job": None})
    said = {"id": job.id, "progress": job.progress, "stage": stage_of(request, job), "eta": "",
            "log": ""}  # fmt: skip
    return json_response({"job": said})


async def running(request: web.Request) -> Job | None:
    """The live run, of whatever target."""
    live = await services_of(request).store.jobs.live()
    return next((job for job in live if job.kind == INSIGHTS), None)


def stage_of(request: web.Request, job: Job) -> str:
    """What a run does, in the words of the one who looks."""
    stage = (job.stage or job.state).partition(":")[0]
    try:
        return ui.translate(request, f"panel.insights.stage.{stage}")
    except KeyError:
        return stage


async def failed_run(request: web.Request, target: str) -> Job | None:
    """The target's newest run, where it failed and nothing has come since."""
    jobs = await services_of(request).store.jobs.list(200)
    mine = (job for job in jobs if job.kind == INSIGHTS and job.params.get("target") == target)
    newest = next(mine, None)
    return newest if newest is not None and newest.state == "failed" else None


def _reasons(request: web.Request, flag: Flag) -> Sequence[str]:
    t, formats = partial(ui.translate, request), formats_of(request)
    return [in_words(one["name"], one["value"], t, formats) for one in flag.reasons if one["name"]]


def _lift(shown: Arm, held: Arm) -> Lift | None:
    return lift((shown.came_true, shown.judged), (held.came_true, held.judged))


def _needed(run: Run, held: Arm) -> tuple[float, int]:
    """The share that does it without acting, and how many of each arm a small change takes."""
    base = held.came_true / held.judged if held.judged else 0.0
    if not 0 < base * (1 + _RELATIVE) < 1:
        place = place_of(run)
        base = place["precision"] if place is not None else 0.0
    # With everybody or nobody flagged right there is no share to compare.
    base = min(max(base, 0.01), 0.95)
    return base, needed(base, _RELATIVE)


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    target = f"{HOME}/{{target:{'|'.join(FLAGS)}}}"
    return (
        Route("GET", target, insight_page, "admin"),
        Route("POST", target, start, "admin"),
        Route("POST", f"{target}/cancel", cancel, "admin"),
        Route("POST", f"{target}/threshold", set_threshold, "admin"),
        Route("GET", f"{target}/flags.csv", flags_file, "admin"),
        Route("GET", f"{target}/job", job_state, "admin"),
    )
