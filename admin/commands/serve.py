"""``neurobot serve``."""

from __future__ import annotations

import gc

import click

from admin.commands.invocation import Invocation


@click.command("serve")
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port to listen on.")
@click.pass_obj
def command(invocation: Invocation, *, host: str | None, port: int | None) -> None:
    """Start the server with its panel; stop it with Ctrl+C.

    The first start prints a one-time link that makes its visitor the owner and leads through the
    first steps.

    \b
    Example:
      neurobot serve --port 8080
    """
    gc.disable()  # until it answers: what a start makes stays, and none of it is to be looked for
    from bot.certificates import leave_for_later

    leave_for_later()
    from admin import panel
    from admin.operations import register
    from bot import app

    register()
    app.serve(
        invocation.settings(http__host=host, http__port=port),
        extra=[panel.add],
        templates=[panel.TEMPLATES],
        navigation=panel.NAVIGATION,
    )
