"""The texts that benches are made of: the demo company's, or those of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from admin.bench.texts import Source

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
