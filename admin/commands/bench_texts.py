"""What benches are told: sizes, and the texts that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from admin.bench.texts import Source

_LARGEST = 10_000_000


class Sizes(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1, separated by commas."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The sizes; refused with a word of what is wrong."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        sizes = [int(part) if part.strip().isdecimal() else 0 for part in parts]
        if not all(1 <= size <= _LARGEST for size in sizes):
            self.fail(f"'{value}' is not a list such as 10000,100000 of 1..{_LARGEST}.", param, ctx)
        return tuple(sizes)


folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Answers and questions to make texts of; default: the demo company.",
)


def sources_of(folder: Path | None) -> tuple[Sequence[Source], str]:
    """Texts and their name.

    Raises:
        BadData: the folder is not there or cannot be read.
    """
    from admin.bench.texts import Source, corpus_sources
    from admin.evaluate.corpus import read_corpus

    if folder is not None:
        return corpus_sources(read_corpus(folder)), folder.name
    from admin.demo.company import NAME, load_company

    entries = load_company().entries
    sources = [Source(e.answer, e.title, e.category, e.language, e.asked) for e in entries]
    return sources, f"demo company {NAME}"
