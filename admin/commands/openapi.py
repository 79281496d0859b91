"""``neurobot openapi``."""

from __future__ import annotations

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import show


@click.command("openapi")
@json_option
def command(*, as_json: bool) -> None:
    """Print the REST API's OpenAPI 3.1 description (always JSON).

    \b
    Example:
      neurobot openapi > openapi.json
    """
    from bot.app import openapi_document

    show(openapi_document(), as_json=as_json)
