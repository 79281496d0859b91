"""``neurobot models canaries list | add | remove``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.remote import perform
from admin.commands.terminal import show, table


@click.group("canaries")
def canaries() -> None:
    """Questions that must keep their answer, whatever is trained.

    A new model that answers one of them otherwise does not go live.

    \b
    Example:
      neurobot models canaries add "how do I get a refund" --answer 12
    """


@canaries.command("list")
@json_option
@click.pass_obj
def list_canaries(invocation: Invocation, *, as_json: bool) -> None:
    """List all of them.

    \b
    Example:
      neurobot models canaries list
    """
    found = perform(invocation.settings(), "canaries.list")
    rows = [
        (str(one["id"]), one["question"], str(one["answer_id"] or "-"), one["category"] or "-")
        for one in found["canaries"]
    ]
    text = table(("id", "question", "article", "category"), rows) if rows else "None yet."
    show(found, as_json=as_json, text=text)


@canaries.command("add")
@click.argument("question", required=False)
@click.option("--answer", "answer_id", type=int, help="Id of the article it must keep.")
@click.option("--category", default="", help="Category it must keep.")
@click.option(
    "--file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A set as JSON lines: question, answer_id, category.",
)  # fmt: skip
@json_option
@click.pass_obj
def add(
    invocation: Invocation,
    *,
    question: str | None,
    answer_id: int | None,
    category: str,
    file: Path | None,
    as_json: bool,
) -> None:
    """Keep QUESTION with an article or a category, or a whole set from a file.

    \b
    Example:
      neurobot models canaries add "where is my parcel" --category delivery
      neurobot models canaries add --file canaries.jsonl
    """
    if (question is None) == (file is None):
        raise click.UsageError("Give a question or --file.")
    wanted = _read(file) if file is not None else [
        {"question": question, "answer_id": answer_id, "category": category}
    ]  # fmt: skip
    found = perform(invocation.settings(), "canaries.add", canaries=wanted)
    show(found, as_json=as_json, text=f"{len(found['canaries'])} kept.")


@canaries.command("remove")
@click.argument("number", type=int)
@json_option
@click.pass_obj
def remove(invocation: Invocation, *, number: int, as_json: bool) -> None:
    """Forget the one with this id.

    \b
    Example:
      neurobot models canaries remove 3
    """
    found = perform(invocation.settings(), "canaries.remove", id=number)
    show(found, as_json=as_json, text=f"{found['removed']} removed.")


def _read(file: Path) -> list[dict[str, Any]]:
    import msgspec

    from bot.errors import BadData

    lines: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise BadData(f"{file.name}, line {number}: {error}.") from error
        unknown = found.keys() - {"question", "answer_id", "category", "language"}
        if unknown or not isinstance(found.get("question"), str):
            raise BadData(f"{file.name}, line {number}: needs question, answer_id or category.")
        lines.append(found)
    return lines
