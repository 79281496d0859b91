"""``neurobot erase``."""

from __future__ import annotations

from typing import Any

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.remote import perform
from admin.commands.terminal import show, table

_FOUND = 3


@click.command("erase")
@click.argument("customer")
@click.option("--dry-run", is_flag=True, help="Say what would be erased; change nothing.")
@click.option("--check", is_flag=True, help="Say where the customer's texts and ids stand.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def command(
    invocation: Invocation, *, customer: str, dry_run: bool, check: bool, yes: bool, as_json: bool
) -> int:
    """Take CUSTOMER out of messages, search, index, training rows and files. It cannot be undone.

    CUSTOMER is the id of the Customers page, or CHANNEL:ID as the channel knows the person.
    Afterwards the person's texts are looked for in the database, its file, the index and the
    models; what is found is printed and the exit code is 3.

    \b
    Example:
      neurobot erase telegram:5551234567 --dry-run
      neurobot erase telegram:5551234567 --yes
    """
    settings = invocation.settings()
    if check:
        found = perform(settings, "erase.check", customer=customer)
        show(found, as_json=as_json, text=_places(found["found"]))
        return _FOUND if found["found"] else 0
    if dry_run:
        report = perform(settings, "erase.preview", customer=customer)
        show(report, as_json=as_json, text=_summary(report))
        return 0
    if not yes:
        click.confirm(f"Erase {customer} for good?", abort=True, err=True)
    report = perform(settings, "erase", customer=customer)
    show(report, as_json=as_json, text=_summary(report))
    return _FOUND if report["found"] else 0


def _summary(report: dict[str, Any]) -> str:
    lines = ["would be erased:" if report["dry_run"] else "erased:"]
    lines.append(table(("table", "rows"), sorted(report["counts"].items())))
    if report["counts"].get("ledger"):
        lines.append("ledger: the numbers stay, without text and person")
    lines += [f"file: {name}" for name in report["files"]]
    lines += [f"learned from it, retrain to remove: model {v}" for v in report["bundles"]]
    lines += [f"older backup, still holds it: {path}" for path in report["backups"]]
    if report["shared"]:
        lines.append(f"{report['shared']} texts were written by others too and stay as theirs")
    if report["short"]:
        lines.append(f"{report['short']} texts are too short to be looked for")
    lines.append(_places(report["found"]))
    return "\n".join(lines)


def _places(found: dict[str, int]) -> str:
    if not found:
        return "found nowhere"
    return "\n".join(f"found in {place}: {number}" for place, number in found.items())
