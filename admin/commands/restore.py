"""``neurobot restore``."""

from __future__ import annotations

from pathlib import Path

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.terminal import say, show


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(invocation: Invocation, *, file: Path, yes: bool, as_json: bool) -> None:
    """Verify FILE and put it in place of the database; the server must be stopped.

    The present database is kept beside it.

    \b
    Example:
      neurobot restore backups/monday.db
    """
    from bot.errors import BadData
    from bot.store.backup import restore

    settings = invocation.settings()
    if not file.is_file():
        raise BadData(f"There is no file {file}.", remedy="Check the name.")
    if settings.database_path.exists() and not yes:
        click.confirm(f"Replace the database in {settings.data_path}?", abort=True, err=True)
    kept = restore(file, settings)
    say("Restored. Models and attachments are files of their own and stay as they are.")
    data = {"database": str(settings.database_path), "kept": str(kept) if kept else None}
    show(data, as_json=as_json, text=f"The former database: {kept}" if kept else data["database"])
