"""Words and progress on standard error, data on standard output."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

_EVERY_S = 10.0  # between progress lines where there is no terminal


def say(text: str) -> None:
    """A line for the person; never part of the data."""
    click.echo(text, err=True)


def show(data: Any, *, as_json: bool, text: str | None = None) -> None:
    """The command's result: JSON where asked, ``text`` otherwise."""
    if as_json or text is None:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
    else:
        click.echo(text)


def complain(code: str, detail: str, remedy: str | None, *, as_json: bool) -> None:
    """An error: what happened and what to do."""
    if as_json:
        import msgspec

        body = {"code": code, "message": detail, "hint": remedy}
        click.echo(msgspec.json.encode({"error": body}).decode(), err=True)
        return
    click.echo(f"error: {detail}", err=True)
    if remedy:
        click.echo(f"  {remedy}", err=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns with a head line."""
    cells = [[str(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


class Progress(msgspec.Struct):
    """One line that is rewritten on a terminal, and repeated now and then elsewhere."""

    live: bool = msgspec.field(default_factory=sys.stderr.isatty)
    _last_at: float = 0.0
    _last_stage: str = ""
    _open: bool = False

    def update(self, stage: str, share: float | None = None, eta_s: float | None = None) -> None:
        """Show the stage, the share done (0..1) and the seconds left, as far as known."""
        parts = [stage]
        if share is not None:
            parts.append(f"{share * 100:3.0f}%")
        if eta_s is not None:
            parts.append(f"about {max(1, round(eta_s))} s left")
        line = "  ".join(parts)
        if self.live:
            click.echo(f"\r\x1b[K{line}", err=True, nl=False)
            self._open = True
        elif stage != self._last_stage or time.monotonic() - self._last_at >= _EVERY_S:
            click.echo(line, err=True)
            self._last_at = time.monotonic()
        self._last_stage = stage

    def close(self) -> None:
        """End the line."""
        if self._open:
            click.echo(err=True)
            self._open = False
