"""``neurobot export ledger | events``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.terminal import say, show

if TYPE_CHECKING:
    from bot.settings import Settings


@click.group("export")
def command() -> None:
    """Write what the desk knows to files.

    \b
    Example:
      neurobot export ledger ledger.jsonl
      neurobot export events lake
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
    from bot.errors import NotFound

    settings = invocation.settings()
    if not settings.database_path.exists():
        raise NotFound(
            f"There is no database in {settings.data_path}.",
            remedy="Name its folder with --data-dir.",
        )
    with _opened(file) as target:
        rows = _write(settings, target)
    say(f"{rows} records")


@command.command("events")
@click.argument("folder", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def events(invocation: Invocation, *, folder: Path, as_json: bool) -> None:
    """Bring FOLDER up to date with all events, as Parquet, a folder for each day.

    A day that is there and has not changed is left alone. The server may run.

    \b
    Example:
      neurobot export events lake
    """
    import time

    from admin.batch.event_export import export

    counts = export(invocation.settings().events_path, folder, time.time())
    text = (
        f"{counts['events']} events of {counts['written']} days written, "
        f"{counts['unchanged']} days unchanged, {counts['removed']} removed"
    )
    show(counts, as_json=as_json, text=text)


def _write(settings: Settings, target: IO[bytes]) -> int:
    """Number of records written: from the running server, or the database where none runs."""
    import msgspec

    from admin.operations import register
    from bot import control

    register()
    encode = msgspec.json.Encoder().encode_lines
    rows = after = 0
    while True:
        try:
            page = control.call(settings, "export.ledger", {"after": after})["rows"]
        except control.NotRunning:
            return rows + asyncio.run(_write_alone(settings, target, after))
        if not page:
            return rows
        target.write(encode(page))
        rows += len(page)
        after = page[-1]["id"]


async def _write_alone(settings: Settings, target: IO[bytes], after: int) -> int:
    import msgspec

    from bot.store import Store

    encode = msgspec.json.Encoder().encode_lines
    rows = 0
    store = Store.open(settings)
    try:
        async for page in store.ledger.rows(after):
            target.write(encode(page))
            rows += len(page)
    finally:
        await store.close()
    return rows


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
