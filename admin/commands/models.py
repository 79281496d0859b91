"""``neurobot models list | show | promote | rollback``."""

from __future__ import annotations

import click

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
            lines = [f"{name}: {value}" for name, value in sorted(_flat(model["metrics"]).items())]
            show(model, as_json=as_json, text="\n".join([str(model["version"]), *lines]))
            return
    raise NotFound("There is no such model.", remedy="neurobot models list shows all.")


@command.command("promote")
@click.argument("version")
@json_option
@click.pass_obj
def promote(invocation: Invocation, *, version: str, as_json: bool) -> None:
    """Let VERSION answer from now on.

    \b
    Example:
      neurobot models promote 20260101T120000-ab12
    """
    found = perform(invocation.settings(), "models.promote", version=version)
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


def _flat(metrics: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
