"""The wheel carries what the server needs besides Python, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from index import scoring

ROOT = Path(__file__).resolve().parents[2]


def test_wheel_carries_templates_static_files_and_sample_data(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "bot/ui/templates/base.html",
        "bot/ui/catalogue/desk.toml",
        "bot/static/ui.css",
        "bot/static/widget.js",
        "admin/demo/company/a_1.jsonl",
    ):
        assert needed in names
    assert any(name.startswith("admin/templates/") for name in names)
    foreign = [
        n
        for n in names
        if n.split("/")[0] not in {"bot", "nlp", "index", "admin"} and ".dist-info/" not in n
    ]
    assert not foreign
    assert scoring.compiled() == any(name.startswith("index/_native.") for name in names)
