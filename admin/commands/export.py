"""``neurobot export ledger``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from admin.commands.invocation import Invocation
from admin.commands.terminal import say

if TYPE_CHECKING:
    from bot.settings import Settings


@click.group("export")
def command() -> None:
    """Write what the desk knows to a file.

    \b
    Example:
      neurobot export ledger ledger.jsonl
    """


@command.command("ledger")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.pass_obj
def ledger(invocation: Invocation, *, file: Path) -> None:
    """Write one JSON line for every suggestion that was shown to FILE, or to - for the output.

    \b
    Example:
      neurobot export ledger ledger.jsonl
      neurobot export ledger - | wc -l
    """
    import msgspec

    settings = invocation.settings()
    rows = 0
    with _opened(file) as target:
        for page in _pages(settings):
            target.write(msgspec.json.Encoder().encode_lines(page))
            rows += len(page)
    say(f"{rows} records")


def _pages(settings: Settings) -> Iterator[list[dict[str, Any]]]:
    """Pages of the running server, or of the database where none runs."""
    from admin.operations import register
    from bot import control
    from bot.errors import NotFound

    if not settings.database_path.exists():
        raise NotFound(
            f"There is no database in {settings.data_path}.",
            remedy="Name its folder with --data-dir.",
        )
    register()
    after = 0
    while True:
        page = control.run(settings, "export.ledger", {"after": after})["rows"]
        if not page:
            return
        yield page
        after = page[-1]["id"]


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file under a name of its own until it is whole, or standard output for ``-``."""
    if str(file) == "-":
        yield sys.stdout.buffer
        return
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
