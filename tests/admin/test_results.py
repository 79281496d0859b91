"""The table of results: read from real reports, honest about what is missing or missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from admin.cli import run
from admin.results import running
from admin.results.figures import (
    Figure,
    best_peer,
    curve_at,
    lead,
    lead_over_singles,
    ours,
    pooled,
    promises_kept,
    row,
    share_of,
    total,
)
from admin.results.table import RUNS, SECTIONS
from bot.errors import BadData

REPORTS: dict[str, Any] = {
    "a": {
        "data": {"judged": 300},
        "ours": {
            "accuracy": 0.9, "perturbed": {"accuracy": 0.81}, "precision_at_90": 0.95,
            "precision_at_95": 0.9, "precision_at_98": None, "acc_at_1": 0.5,
            "rankers": {"stem": {"acc_at_1": 0.4}, "dense": {"acc_at_1": 0.52}},
        },
        "peers": {"svc": {"accuracy": 0.8}, "words": {"accuracy": 0.7}},
    },
    "b": {
        "data": {"judged": 100},
        "ours": {
            "accuracy": 0.7, "perturbed": {"accuracy": 0.7}, "precision_at_90": 0.91,
            "acc_at_1": 0.6, "rankers": {"stem": {"acc_at_1": 0.5}},
        },
        "peers": {"svc": {"accuracy": 0.5}, "words": {"accuracy": 0.75}},
    },
    "bench": {"results": [{"n": 10, "query_ms": {"p50": 3.5}}]},
    "team": {
        "summary": {"worse": 2},
        "runs": [
            {"retrain": 0, "curve": [{"past": 0.0, "hit": 0.5}, {"past": 6.8, "hit": 0.8},
                                     {"past": 7.5, "hit": 0.9}]},
            {"retrain": 0, "curve": [{"past": 0.0, "hit": 0.5}, {"past": 6.0, "hit": 0.6}]},
            {"retrain": 9, "curve": [{"past": 7.0, "hit": 0.7}, {"past": 7.0, "hit": 0.95}]},
        ],
    },
}  # fmt: skip


def test_readings() -> None:
    assert ours("accuracy", "a", "b")(REPORTS) == pytest.approx(0.8)
    assert pooled("accuracy", "a", "b")(REPORTS) == pytest.approx(0.85)
    assert best_peer("accuracy", "a", "b")(REPORTS) == pytest.approx(0.725)
    assert share_of("perturbed/accuracy", "accuracy", "a", "b")(REPORTS) == pytest.approx(0.9)
    assert lead("accuracy", "svc", "a", "b")(REPORTS) == pytest.approx(0.15)
    assert lead_over_singles("a", "b")(REPORTS) == pytest.approx(-0.02)
    assert lead_over_singles("b", mean_of=("a", "a"))(REPORTS) == pytest.approx(-0.02)
    assert lead_over_singles("b")(REPORTS) == pytest.approx(0.1)
    assert promises_kept("a", "b")(REPORTS) == pytest.approx(2 / 3)
    assert row("query_ms/p50", "bench", 10)(REPORTS) == 3.5
    assert row("query_ms/p50", "bench", 20)(REPORTS) is None
    assert ours("nothing/there", "a")(REPORTS) is None
    assert total("summary/worse", "team", "team")(REPORTS) == 4
    assert total("summary/worse", "team", "a")(REPORTS) is None
    assert curve_at(7, "hit", "team", retrained=False)(REPORTS) == pytest.approx(0.7)
    assert curve_at(7, "hit", "team", retrained=True)(REPORTS) == 0.95


def test_bounds_and_how_numbers_are_shown() -> None:
    rising = Figure("x", ("a",), ours("accuracy", "a"), floor=0.8, goal=0.95)
    assert (rising.holds(0.8, 0.8), rising.holds(0.79, 0.8)) == (True, False)
    falling = Figure("y", ("a",), ours("accuracy", "a"), 5, kind="ms", at_most=True)
    assert (falling.holds(5.0, 5), falling.holds(5.1, 5)) == (True, False)
    assert falling.holds(None, 5) is None
    assert [rising.shown(v) for v in (0.5, 1.0, -0.02, None)] == [".500", "1.000", "-.020", "-"]
    assert [falling.shown(v) for v in (4.215, 12.0)] == ["4.21 ms", "12 ms"]


def test_every_figure_reads_from_runs_that_are_run() -> None:
    named = {run for figures in SECTIONS.values() for figure in figures for run in figure.runs}
    assert named <= set(RUNS)


def test_what_was_not_measured_is_missed_and_the_document_keeps_its_words(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    report = {
        "data": {"judged": 10}, "peers": {"linear_svc": {"accuracy": 0.5}},
        "ours": {"accuracy": 0.6},
    }  # fmt: skip
    (work / "banking77-few.json").write_text(json.dumps(report), "utf-8")
    reports = running.read_reports(work)
    missed = running.misses(reports)
    assert not [what for what in missed if "BANKING77 dev" in what]
    assert [what for what in missed if "CLINC150 dev" in what]
    document = tmp_path / "results.md"
    document.write_text("before\n<!-- figures: made by `make results` -->\nstale words\n"
                        "<!-- end of figures -->\nafter\n", "utf-8")  # fmt: skip
    running.write_table(document, reports)
    text = document.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale words" not in text
    assert "| **.100** |" in text
    document.write_text("no marks", "utf-8")
    with pytest.raises(BadData, match="marks"):
        running.write_table(document, reports)


def test_bad_calls_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "none")
    assert run(["evaluate", "results", folder, "--work", str(tmp_path / "work")]) == 65
    assert "There is no folder" in capsys.readouterr().err
    assert run(["evaluate", "results", folder, "--only", "everything"]) == 2
    assert "banking77" in capsys.readouterr().err
