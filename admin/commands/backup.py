"""``neurobot backup``."""

from __future__ import annotations

from pathlib import Path

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.terminal import show


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def command(invocation: Invocation, *, file: Path, as_json: bool) -> None:
    """Copy the database to FILE while the server runs, and verify the copy.

    \b
    Example:
      neurobot backup backups/monday.db
    """
    from admin.commands.remote import perform
    from bot.errors import NotFound

    settings = invocation.settings()
    if not settings.database_path.exists():
        raise NotFound(
            f"There is no database in {settings.data_path}.",
            remedy="Name its folder with --data-dir.",
        )
    report = perform(settings, "backup", target=str(file.absolute()))
    text = (
        f"{report['path']}: {report['size_bytes']} bytes, verified in {report['elapsed_s']:.1f} s"
    )
    show(report, as_json=as_json, text=text)
