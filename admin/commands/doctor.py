"""``neurobot doctor``."""

from __future__ import annotations

import click

from admin.commands.invocation import Invocation, json_option
from admin.commands.terminal import show

FOUND_PROBLEMS = 3
_MARKS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


@click.command("doctor")
@json_option
@click.pass_obj
def command(invocation: Invocation, *, as_json: bool) -> int:
    """Check the machine, the data and the models; exit code 3 when something is wrong.

    \b
    Example:
      neurobot doctor --json
    """
    from admin.doctor import Check, examine, in_words
    from bot.errors import SettingsInvalid

    try:
        checks = examine(invocation.settings())
    except SettingsInvalid as error:
        checks = [Check("settings", "bad", "bad", {"error": str(error)})]
    findings = [in_words(check, "en") for check in checks]
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.state]}  {finding.title}: {finding.detail}")
        if finding.remedy:
            lines.append(f"      {finding.remedy}")
    data = [
        {"check": f.key, "state": f.state, "title": f.title, "detail": f.detail, "remedy": f.remedy}
        for f in findings
    ]
    show({"checks": data}, as_json=as_json, text="\n".join(lines))
    return FOUND_PROBLEMS if any(finding.state == "bad" for finding in findings) else 0
