"""Spoilt files, forms, updates, models, indexes and backups: read or refused, never anything else.

Each is read by a process of its own, so that a crash in a library is seen too. In the full profile
atheris looks for bytes that reach lines which spoilt examples do not.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "trust" / "hostile_parsers.py"
SEED = int(os.environ.get("TEST_SEED", "3"))
PROFILE = os.environ.get("TRUST_PROFILE", "")
NAMES = (
    "multipart form", "JSON bodies", "events", "event envelope", "event lane's head",
    "Telegram updates", "knowledge.csv", "tickets.csv", "items.csv", "events.csv", "items.jsonl",
    "events.jsonl", "customers.csv", "customers.csv.gz", "model files", "index files",
    "index manifest", "backup",
)  # fmt: skip


def start(mode: str, folder: Path, count: int, *names: str) -> subprocess.CompletedProcess[str]:
    """The program's run; where a number stands in ``at``, that example crashed it."""
    paths = os.pathsep.join([str(ROOT), str(PROGRAM.parent)])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.run(
        [sys.executable, PROGRAM, mode, folder, str(SEED), str(count), *names],
        env={**os.environ, "PYTHONPATH": paths, **threads}, cwd=folder, text=True,
        capture_output=True, check=False, timeout=1500,
    )  # fmt: skip


@pytest.mark.timeout(1600)
def test_spoilt_bytes_are_read_or_refused(tmp_path, sized, record_property) -> None:
    run = start("mutate", tmp_path, sized(200, 2_000, 20_000), *NAMES)
    at = (tmp_path / "at").read_text() if (tmp_path / "at").exists() else "before the first"
    assert run.returncode == 0, (at, run.stderr[-2000:])
    found = json.loads(run.stdout)
    assert list(found) == list(NAMES)
    assert {name: one["wrong"] for name, one in found.items() if one["wrong"]} == {}
    read, refused = (sum(one[key] for one in found.values()) for key in ("read", "refused"))
    assert refused
    record_property(
        "figure", f"{len(NAMES)} parsers, {read + refused:,} spoilt files: {refused:,} refused, "
        "0 other errors, 0 crashes"
    )  # fmt: skip


if PROFILE:  # minutes, which an ordinary test run has not

    @pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None,
        reason="atheris has no wheel for this machine; spoilt examples are read all the same",
    )
    @pytest.mark.timeout(1600)
    @pytest.mark.parametrize("name", NAMES if PROFILE == "full" else NAMES[2:3])
    def test_bytes_that_reach_new_lines_are_read_or_refused(
        tmp_path, name, sized, record_property
    ) -> None:
        run = start("guided", tmp_path, sized(500, 5_000, 20_000), name)
        found = tmp_path / "found"
        wrong = found.read_bytes()[:500] if found.exists() else ""
        assert run.returncode == 0, (wrong, run.stderr[-3000:])
        assert "Done " in run.stderr
        record_property("figure", f"{name}: {run.stderr.partition('Done ')[2].split()[0]} runs")
