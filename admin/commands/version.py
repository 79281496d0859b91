"""``neurobot version``."""

from __future__ import annotations

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import show


@click.command("version")
@json_option
def command(*, as_json: bool) -> None:
    """Print the version.

    \b
    Example:
      neurobot version
    """
    from importlib import metadata

    try:
        version = metadata.version("neurobot")
    except metadata.PackageNotFoundError:
        version = "0"
    show({"version": version}, as_json=as_json, text=version)
