"""Importing any module starts nothing, reads nothing, sets nothing; heavy libraries stay out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "sklearn", "scipy", "nltk", "pandas", "pyarrow")
# Models of customers are fitted in a process of their own; the rest of admin.insights scores.
FITTING = tuple(
    f"admin.insights.{name}"
    for name in ("bg_nbd", "boosting", "clv", "leaks", "logistic", "propensity")
)

_PROBE = """
import importlib, json, logging, os, sys, threading, warnings

def environment():
    # KMP_*: scikit-learn's own, in the rooms that may import it (nlp.train, admin.evaluate)
    return {{key: value for key, value in os.environ.items() if not key.startswith("KMP_")}}

before = environment(), list(logging.getLogger().handlers), threading.active_count()
for name in {names!r}:
    importlib.import_module(name)
after = environment(), list(logging.getLogger().handlers), threading.active_count()
print(json.dumps({{
    "changed": [a != b for a, b in zip(before, after)],
    "heavy": [name for name in {heavy!r} if name in sys.modules],
}}))
"""


def _modules(*folders: str) -> list[str]:
    names = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] != "__main__":
                names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def _probe(names: list[str]) -> dict[str, list[object]]:
    code = _PROBE.format(names=names, heavy=HEAVY)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    answer: dict[str, list[object]] = json.loads(run.stdout)
    return answer


@pytest.mark.parametrize("folder", ["nlp", "index", "bot", "admin"])
def test_import_has_no_effect(folder: str) -> None:
    names = [name for name in _modules(folder) if not name.startswith("nlp.train")]
    assert _probe(names)["changed"] == [False, False, False]


def test_server_modules_import_no_heavy_library() -> None:
    names = [
        name
        for name in _modules("nlp", "index", "bot", "admin")
        if not name.startswith(
            ("nlp.train", "admin.evaluate", "admin.bench", "bot.learning.ranking", *FITTING)
        )
    ]
    assert _probe(names)["heavy"] == []
