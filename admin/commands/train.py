"""``neurobot train``."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from admin.commands.invocation import Invocation, json_option, preset_option
from admin.commands.terminal import Progress, say, show

if TYPE_CHECKING:
    from bot.settings import Settings

_POLL_S = 0.5


@click.command("train")
@click.argument("part", type=click.Choice(("classifier", "ranker", "all")), default="all")
@click.option("--wait", is_flag=True, help="Stay until the running server has finished.")
@preset_option()
@click.option("--no-promote", is_flag=True, help="Keep the present model in use; promote later.")
@json_option
@click.pass_obj
def command(
    invocation: Invocation, *, part: str, wait: bool, preset: str, no_promote: bool, as_json: bool
) -> int:
    """Train PART of the models on articles, tickets and verdicts: classifier, ranker or all.

    What is not trained is taken over from the present model. With a running server its job is
    started, or joined where one runs; otherwise the training runs here and now. A model goes live
    only if it passes its checks beside the present one.

    \b
    Example:
      neurobot train --wait
      neurobot train classifier --wait
    """
    from admin.operations import register
    from bot import control

    register()
    settings = invocation.settings()
    args = {"part": part, "preset": preset, "promote": not no_promote}
    try:
        job = control.call(settings, "train.start", args)
    except control.NotRunning:
        job = asyncio.run(_train_here(settings, args))
    else:
        if wait:
            job = _follow(settings, job)
        else:
            say("Training has started in the running server; --wait follows it.")
    show(job, as_json=as_json, text=_summary(job))
    return 1 if job["state"] in {"failed", "cancelled"} else 3 if job["state"] == "refused" else 0


def _follow(settings: Settings, job: dict[str, Any]) -> dict[str, Any]:
    from bot import control

    progress = Progress()
    while job["finished_at"] is None:
        progress.update(job["stage"] or job["state"], job["progress"], job["eta_s"])
        time.sleep(_POLL_S)
        job = control.call(settings, "train.state", {"id": job["id"]})
    progress.close()
    return job


async def _train_here(settings: Settings, args: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    from bot.services import build

    progress = Progress()
    async with build(settings) as services:
        job = await services.jobs.train(**args)
        while job.finished_at is None:
            progress.update(job.stage or job.state, job.progress, job.eta_s)
            await asyncio.sleep(_POLL_S)
            job = await services.store.jobs.get(job.id)
        await services.jobs.wait(job.id)
    progress.close()
    found: dict[str, Any] = msgspec.to_builtins(job)
    return found


def _summary(job: dict[str, Any]) -> str:
    lines = [f"training {job['id']}: {job['state']}"]
    if job["reason"]:
        lines.append(job["reason"])
    if job["metrics"].get("version"):
        live = "answers now" if job["metrics"].get("promoted") else "kept beside the present model"
        lines.append(f"{job['metrics']['version']} {live}")
    return "\n".join(lines)
