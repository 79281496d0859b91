"""The bench of the customer pages: a small desk, every page asked, none slow."""

import json

from admin.bench.panel import PAGES
from admin.cli import run


def test_every_page_is_measured_on_a_small_desk(capsys) -> None:
    arguments = ["--events", "1000", "--customers", "300", "--companies", "30", "--rounds", "5"]
    code = run(["bench", "panel", *arguments, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert list(report["pages"]) == list(PAGES)
    assert all(0 < one["p50"] <= one["p95"] for one in report["pages"].values())
    assert report["worst_p95"] == max(one["p95"] for one in report["pages"].values())
    assert code == (0 if report["worst_p95"] < 200 else 3)
