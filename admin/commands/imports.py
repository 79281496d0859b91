"""``neurobot import knowledge | tickets | events | items``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.terminal import say, show

if TYPE_CHECKING:
    from admin.importers.rows import Parsed

_SHOWN = 20


@click.group("import")
def command() -> None:
    """Import a knowledge base, past tickets or events.

    Files are UTF-8 or Windows-1251. Nothing is written while a line is bad, unless --partial.

    \b
    Example:
      neurobot import knowledge faq.csv --dry-run
      neurobot import tickets tickets.csv
    """


def _file_options(function: Any) -> Any:
    for option in (
        click.argument("file", type=click.Path(path_type=Path)),
        click.option("--dry-run", is_flag=True, help="Show what would change, write nothing."),
        click.option(
            "--partial", is_flag=True, help="Import the good lines of a file with bad ones."
        ),
        click.option(
            "--lang", type=click.Choice(["ru", "en"]), default=None, help="Language of the texts."
        ),
        json_option,
        click.pass_obj,
    ):
        function = option(function)
    return function


@command.command("knowledge")
@_file_options
def knowledge(
    invocation: Invocation,
    *,
    file: Path,
    dry_run: bool,
    partial: bool,
    lang: str | None,
    as_json: bool,
) -> None:
    """Import FILE with the columns question,answer and optionally category and lang.

    Equal answers become one article with several questions; other columns are ignored.

    \b
    Example:
      neurobot import knowledge faq.csv --lang ru
    """
    from admin.importers.knowledge import read_knowledge

    settings = invocation.settings()
    parsed = read_knowledge(file, language=lang or "")
    rows = parsed.accepted(partial=partial)
    _warn(parsed)
    diff = _perform(settings, "import.knowledge", rows, file, dry_run=dry_run)
    data = {**diff, "dry_run": dry_run, "bad_lines": _bad_lines(parsed)}
    show(data, as_json=as_json, text=_diff_text(diff, dry_run=dry_run))


@command.command("tickets")
@_file_options
def tickets(
    invocation: Invocation,
    *,
    file: Path,
    dry_run: bool,
    partial: bool,
    lang: str | None,
    as_json: bool,
) -> None:
    """Import FILE (CSV or JSONL) with text,category and optionally kb_answer or answer_id.

    kb_answer is the text of the article that answered; operator_answer and lang are kept too.

    \b
    Example:
      neurobot import tickets tickets.jsonl
    """
    from admin.importers.tickets import read_tickets

    settings = invocation.settings()
    parsed = read_tickets(file, language=lang or "")
    rows = parsed.accepted(partial=partial)
    _warn(parsed)
    counts = _perform(settings, "import.tickets", rows, file, dry_run=dry_run)
    if counts["unmatched"]:
        unmatched = counts["unmatched"]
        say(f"{unmatched} rows name an answer that the knowledge base lacks; kept without it.")
    verb = "would be imported" if dry_run else "imported"
    text = f"{counts['rows']} tickets {verb}, {counts['with_answer']} with their article"
    show(
        {**counts, "dry_run": dry_run, "bad_lines": _bad_lines(parsed)}, as_json=as_json, text=text
    )


@command.command("events")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Read and check the file, write nothing.")
@click.option("--partial", is_flag=True, help="Import the good lines of a file with bad ones.")
@json_option
@click.pass_obj
def events(
    invocation: Invocation, *, file: Path, dry_run: bool, partial: bool, as_json: bool
) -> None:
    """Import events from FILE: CSV, JSON lines (.jsonl) or Parquet.

    Columns are those of an event: name, at, id, visitor, customer, company, url, title, h1, item,
    counters. An id that is known is ignored.

    \b
    Example:
      neurobot import events visits.csv --partial
    """
    import time

    from admin.importers.events import read_events
    from admin.operations import import_events

    settings = invocation.settings()
    parsed = read_events(file, time.time())
    rows = parsed.accepted(partial=partial)
    _warn(parsed)
    kept_since = time.time() - settings.events.keep_days * 86_400
    if old := sum(event.at < kept_since for event in rows):
        say(f"{old} events are older than events.keep_days and will be removed again.")
    new = 0 if dry_run else import_events(settings, rows)
    text = (
        f"{len(rows)} events would be imported"
        if dry_run
        else f"{len(rows)} events imported, {len(rows) - new} of them known before"
    )
    data = {"rows": len(rows), "new": new, "dry_run": dry_run, "bad_lines": _bad_lines(parsed)}
    show(data, as_json=as_json, text=text)


@command.command("items")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
@click.option("--partial", is_flag=True, help="Import the good lines of a file with bad ones.")
@json_option
@click.pass_obj
def items(
    invocation: Invocation, *, file: Path, dry_run: bool, partial: bool, as_json: bool
) -> None:
    """Import FILE (CSV or JSONL) with id,title into the catalogue of recommendations.

    Optional: kind (page, article or product), description, path (section/subsection/name), url,
    renewable_days (after which it may be offered again). An item with a known id is replaced.

    \b
    Example:
      neurobot import items products.csv
    """
    from admin.importers.items import read_items

    settings = invocation.settings()
    parsed = read_items(file)
    rows = parsed.accepted(partial=partial)
    _warn(parsed)
    counts = _perform(settings, "import.items", rows, file, dry_run=dry_run)
    verb = "would be imported" if dry_run else "imported"
    text = f"{counts['items']} items {verb}, {counts['repeated']} lines repeat an id"
    show(
        {**counts, "dry_run": dry_run, "bad_lines": _bad_lines(parsed)}, as_json=as_json, text=text
    )


def _perform(settings: Any, name: str, rows: Any, file: Path, *, dry_run: bool) -> dict[str, Any]:
    import msgspec

    from admin.commands.remote import perform

    return perform(settings, name, rows=msgspec.to_builtins(rows), name=file.name, dry_run=dry_run)


def _warn(parsed: Parsed[Any]) -> None:
    if parsed.encoding != "utf-8":
        say(f"The file is in {parsed.encoding}.")
    for problem in parsed.problems[:_SHOWN]:
        say(f"line {problem.line}: {problem.text}")
    if len(parsed.problems) > _SHOWN:
        say(f"and {len(parsed.problems) - _SHOWN} more bad lines")


def _bad_lines(parsed: Parsed[Any]) -> list[dict[str, Any]]:
    return [
        {"line": problem.line, "code": problem.code, "reason": problem.text}
        for problem in parsed.problems
    ]


def _diff_text(diff: dict[str, Any], *, dry_run: bool) -> str:
    lines = ["Nothing is written; this is what would change:"] if dry_run else []
    lines.append(
        f"added {diff['added']}, changed {diff['changed']}, unchanged {diff['unchanged']}, "
        f"rows merged {diff['duplicates']}, conflicts {len(diff['conflicts'])}"
    )
    if dry_run:
        lines += [f"  + {title}" for title in diff["added_titles"][:_SHOWN]]
        lines += [f"  ~ {title}" for title in diff["changed_titles"][:_SHOWN]]
    lines += [f"  ! {conflict}" for conflict in diff["conflicts"][:_SHOWN]]
    return "\n".join(lines)
