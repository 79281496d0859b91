"""No code in data: nothing of ours reads or writes pickles, evaluates texts or uses a shell."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for package in ("bot", "nlp", "index", "admin") for path in (ROOT / package).rglob("*.py")
)
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "os.system",
    "os.popen",
}


def offences(text: str) -> list[str]:
    """Imports, calls and arguments that would run what they read."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [n.name for n in node.names if n.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module or ""] * ((node.module or "").partition(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] * (name in CALLS)
            found += [
                f"{word.arg}=True"
                for word in node.keywords
                if word.arg in {"allow_pickle", "shell"} and ast.unparse(word.value) == "True"
            ]
    return found


def test_no_source_runs_what_it_reads(record_property) -> None:
    found = {path.name: bad for path in SOURCES if (bad := offences(path.read_text("utf-8")))}
    assert not found
    assert len(SOURCES) > 150
    record_property("figure", f"{len(SOURCES)} files, 0 found")


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from joblib import load", "torch.load(p)", "np.load(p, allow_pickle=True)",
     "eval(x)", "run(x, shell=True)"],
)  # fmt: skip
def test_the_search_finds_them(text: str) -> None:
    assert offences(text)
