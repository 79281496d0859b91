"""``neurobot models list | show | promote | rollback | shadow | canaries``."""

from __future__ import annotations

from typing import Any

import click

from admin.commands.canaries import canaries
from admin.commands.invocation import Invocation, json_option
from admin.commands.remote import perform
from admin.commands.terminal import say, show, table


@click.group("models")
def command() -> None:
    """List, show, promote and roll back trained models.

    \b
    Example:
      neurobot models list
      neurobot models rollback
    """


@command.command("list")
@json_option
@click.pass_obj
def list_models(invocation: Invocation, *, as_json: bool) -> None:
    """List all versions, newest first.

    \b
    Example:
      neurobot models list --json
    """
    import datetime

    found = perform(invocation.settings(), "models.list")
    rows = [
        (
            model["version"],
            datetime.datetime.fromtimestamp(model["created_at"], datetime.UTC).strftime(
                "%Y-%m-%d %H:%M UTC"
            ),
            ", ".join(model["aliases"]) or "-",
        )
        for model in found["models"]
    ]
    if found["problem"]:
        say(found["problem"])
    text = table(("version", "trained", "place"), rows) if rows else "No model yet: neurobot train"
    show(found, as_json=as_json, text=text)


@command.command("show")
@click.argument("version", required=False)
@json_option
@click.pass_obj
def show_model(invocation: Invocation, *, version: str | None, as_json: bool) -> None:
    """Show the figures of VERSION, or of the one in use.

    \b
    Example:
      neurobot models show
    """
    from bot.errors import NotFound

    found = perform(invocation.settings(), "models.list")
    wanted = version or found["live"]
    for model in found["models"]:
        if model["version"] == wanted:
            show(model, as_json=as_json, text=_described(model))
            return
    raise NotFound("There is no such model.", remedy="neurobot models list shows all.")


@command.command("promote")
@click.argument("version")
@click.option("--force", is_flag=True, help="Although it did not pass its checks; is noted.")
@json_option
@click.pass_obj
def promote(invocation: Invocation, *, version: str, force: bool, as_json: bool) -> None:
    """Let VERSION answer from now on.

    One that did not pass its checks needs --force; a damaged one is never used.

    \b
    Example:
      neurobot models promote 20260101T120000-ab12
    """
    found = perform(invocation.settings(), "models.promote", version=version, force=force)
    show(
        found,
        as_json=as_json,
        text=f"{found['champion']} answers now; neurobot models rollback goes back.",
    )


@command.command("rollback")
@json_option
@click.pass_obj
def rollback(invocation: Invocation, *, as_json: bool) -> None:
    """Go back to the previous model.

    \b
    Example:
      neurobot models rollback
    """
    found = perform(invocation.settings(), "models.rollback")
    show(found, as_json=as_json, text=f"{found['champion']} answers again.")


command.add_command(canaries)


@command.command("shadow")
@click.argument("version", required=False)
@json_option
@click.pass_obj
def shadow(invocation: Invocation, *, version: str | None, as_json: bool) -> None:
    """Let VERSION score live questions unseen; "off" ends it; without, show how it compares.

    \b
    Example:
      neurobot models shadow 20260101-120000-ab12
      neurobot models shadow
    """
    wanted = {} if version is None else {"version": None if version == "off" else version}
    found = perform(invocation.settings(), "models.shadow", **wanted)
    show(found, as_json=as_json, text=_compared(found["report"]))


def _compared(report: dict[str, Any] | None) -> str:
    from bot.catalogue import Catalogue

    if report is None:
        return "No model is in the shadow."
    verdict = Catalogue.load().text(f"shadow.verdict.{report['verdict']}", "en")
    return "\n".join(
        [
            f"{report['version']} in the shadow of {report['champion']}",
            f"questions {report['scored']}, same first answer {report['agreement']:.1%}",
            f"right first answer {report['shadow_hit_at_1']:.1%} of {report['judged']}",
            f"live model {report['champion_hit_at_1']:.1%}",
            f"alone right {report['wins']}, live alone {report['losses']}",
            f"evidence {report['e_value']:.3g}, real from {report['real_from']:.0f}",
            verdict,
        ]
    )


def _described(model: dict[str, Any]) -> str:
    from bot.learning.gate import Ruling

    lines = [str(model["version"])]
    ruling = Ruling.of_metrics(model["metrics"])
    if ruling is not None:
        marks = {True: "passed", False: "FAILED"}
        lines += [f"{marks[check.passed]}: {check.words('en')}" for check in ruling.checks]
    figures = _flat({k: v for k, v in model["metrics"].items() if k != "ruling"})
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in sorted(figures.items()))])


def _flat(metrics: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        elif not isinstance(value, list) or all(isinstance(one, str) for one in value):
            flat[prefix + name] = value
    return flat
