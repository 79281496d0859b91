"""``neurobot evaluate content``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from admin.commands.invocation import json_option
from admin.commands.terminal import show, table


@click.command("content")
@click.argument("pages", type=click.Path(path_type=Path))
@click.option("--tags", type=click.IntRange(1, 10_000), default=30, show_default=True,
              help="Most tags of a profile.")  # fmt: skip
@click.option("--stemmer", type=click.Choice(["snowball", "porter"]), default="snowball",
              show_default=True)  # fmt: skip
@json_option
def content(*, pages: Path, tags: int, stemmer: str, as_json: bool) -> int:
    """Find the pages that a page links to, from what it says, beside BM25.

    PAGES is JSONL, packed with gzip or not: lang, path, text, links (paths of pages in the same
    language), and where there are any title, h1, headings and chars (length of the whole text).
    Pages of fewer than 100 characters are left out. Recall is the share of a page's links among
    the first ten, averaged over the pages that link to others.

    \b
    Example:
      neurobot evaluate content pages.jsonl.gz --tags 30 --json
    """
    from admin.evaluate import content as evaluation

    report = evaluation.evaluate(evaluation.read_pages(pages), tags=tags, stemmer=stemmer)
    show(report, as_json=as_json, text=_text(report))
    return 0


def _text(report: dict[str, Any]) -> str:
    rows = [
        (language, name, f"{one['recall_at_10']:.4f}", one["query_ms"]["p50"],
         one["query_ms"]["p99"])
        for language, found in report.items()
        for name, one in (("neurobot", found["ours"]), *found["peers"].items())
    ]  # fmt: skip
    return table(("", "", "recall@10", "ms p50", "p99"), rows)
