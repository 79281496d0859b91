"""What is installed is written down with digests, listed for others, and asked about in earnest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
# Stands for the environment's Python: says what it was asked, and fails where told to.
PYTHON = """#!/bin/sh
echo "$*" >> asked.txt
case "$*" in
  "-m pip freeze"*) echo "aiohttp==3.14.5";;
  "-m pip_audit --strict"*) exit ${AUDIT:-0};;
esac
"""


def wanted() -> set[tuple[str, str]]:
    """Name and versions of each dependency, all extras included."""
    lines = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        lines += extra
    needs = map(Requirement, lines)
    return {(need.name, str(need.specifier)) for need in needs if need.name != PROJECT["name"]}


def test_the_lock_is_that_of_the_project() -> None:
    [own] = [one for one in LOCK["package"] if one["name"] == PROJECT["name"]]
    locked = {
        (one["name"], str(Requirement(f"x{one.get('specifier', '')}").specifier))
        for one in own["metadata"]["requires-dist"]
        if one["name"] != PROJECT["name"]
    }
    assert locked == wanted(), "run 'make lock'"


def test_everything_is_locked_to_versions_and_digests(record_property) -> None:
    files, packages = 0, [one for one in LOCK["package"] if one["name"] != PROJECT["name"]]
    versions: dict[str, list[str]] = {}
    for package in packages:
        versions.setdefault(package["name"], []).append(package["version"])
        assert package["source"] == {"registry": "https://pypi.org/simple"}, package["name"]
        for file in [
            *package.get("wheels", []),
            *([package["sdist"]] if "sdist" in package else []),
        ]:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]
            assert file["url"].startswith("https://files.pythonhosted.org/"), package["name"]
            files += 1
    for name, specifier in wanted():
        need = Requirement(f"{name}{specifier}").specifier
        assert any(version in need for version in versions[name]), name
    record_property("figure", f"{len(packages)} packages, {files:,} files by SHA-256")


@pytest.fixture
def make(tmp_path: Path):
    """``make(target, AUDIT="1")`` where every Python only says what it was asked."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    for name in (".torch", ".run", ".dev"):
        (tmp_path / ".venv" / name).touch()

    def run(target: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], str]:
        done = subprocess.run(
            ["make", target], cwd=tmp_path, env={**os.environ, **environment}, text=True,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        return done, (tmp_path / "asked.txt").read_text()

    return run


def test_an_audit_that_could_not_ask_fails_and_says_so(make) -> None:
    done, asked = make("audit", AUDIT="1")
    assert done.returncode != 0
    assert "the data of the package index was not reached" in done.stderr
    assert "pip_audit --strict" in asked  # without it, what was not asked counts as sound
    done, _ = make("audit")
    assert done.returncode == 0
    assert "Not audited" not in done.stderr


def test_the_list_for_others_is_made_from_the_lock(make) -> None:
    done, asked = make("sbom")
    assert done.returncode == 0, done.stderr
    assert "export --quiet --frozen" in asked
    assert "--format cyclonedx1.5 -o build/sbom.json" in asked
