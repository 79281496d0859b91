"""The bench of events measures a server of its own and counts what it stored."""

from __future__ import annotations

import json

from admin.cli import run


def test_every_acknowledged_event_is_stored(capsys) -> None:
    arguments = ["--rate", "200", "--burst", "400", "--seconds", "0.5", "--clients", "4"]
    assert run(["bench", "events", *arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["acknowledged"] == report["stored"] > 400
    assert report["lost"] == 0
    phases = report["phases"]
    assert phases["beacons"]["events_per_request"] == 20
    assert phases["sustained"]["acknowledged"] == 100
    assert all(phase["cpu_us"] > 0 and phase["p99_ms"] > 0 for phase in phases.values())
