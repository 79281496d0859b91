"""``neurobot openapi``."""

from __future__ import annotations

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import show


@click.command("openapi")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the page docs/api.md.")
@json_option
def command(*, as_markdown: bool, as_json: bool) -> None:
    """Print the REST API's OpenAPI 3.1 description (JSON).

    \b
    Example:
      neurobot openapi > openapi.json
    """
    from bot.app import openapi_document

    document = openapi_document()
    if as_markdown and not as_json:
        from admin.api_reference import markdown

        click.echo(markdown(document), nl=False)
        return
    show(document, as_json=as_json)
