"""The documents are part of the code: what they name exists, what exists they name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from promise_report import read_promises

from admin.api_reference import markdown
from bot.app import openapi_document
from bot.errors import NeurobotError
from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "THREAT_MODEL.md",
    *(
        f"docs/{name}.md"
        for name in (
            "settings",
            "api",
            "operations",
            "promises",
            "results",
            "log",
            "webhooks",
            "events",
            "insights",
        )
    ),
)


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _setting_keys(kind: type[msgspec.Struct], prefix: str = "") -> list[str]:
    keys = []
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            keys += _setting_keys(field.type, f"{prefix}{field.name}.")
        else:
            keys.append(f"{prefix}{field.name}")
    return keys


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_exists(name: str) -> None:
    assert len(_read(name)) > 200


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `([a-z_.]+)` \|", _read("docs/settings.md"), re.MULTILINE)
    assert sorted(documented) == sorted(_setting_keys(Settings))


def test_every_error_code_is_documented() -> None:
    def codes(kind: type[NeurobotError]) -> set[str]:
        return {kind.code}.union(*(codes(child) for child in kind.__subclasses__()))

    text = _read("docs/api.md")
    assert not [code for code in codes(NeurobotError) if f"`{code}`" not in text]


@pytest.mark.parametrize(
    "name",
    [
        "ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "THREAT_MODEL.md",
        "docs/promises.md", "docs/asvs.md",
    ],
)  # fmt: skip
def test_named_files_exist(name: str) -> None:
    named = re.findall(r"`((?:admin|bot|nlp|index|tests|docs)/[\w./]+?)`", _read(name))
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_promises_have_a_number_and_tests_that_exist() -> None:
    promises = list(read_promises())
    rows = [line for line in _read("docs/promises.md").splitlines() if line.startswith("| ")]
    assert len(promises) == len(rows) - 2, "a row has another form"  # the head and its rule
    assert len({one.id for one in promises}) == len(promises)
    for test in (test for one in promises for test in one.tests):
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert not name or f"def {name}(" in _read(path), test


def test_each_requirement_of_the_checklist_has_evidence_or_a_reason() -> None:
    rows = re.findall(
        r"^\| (V\d+\.\d+\.\d+) \| .+ \| (.+?) \| (.+) \|$", _read("docs/asvs.md"), re.MULTILINE
    )
    assert len({name for name, _, _ in rows}) == len(rows) == 70  # of level 1 in version 5.0.0
    assert {state for _, state, _ in rows} <= {"met", "partly", "operator", "no such thing"}
    for name, state, reason in rows:
        assert state != "met" or "`" in reason or len(reason) > 15, name
    partly = [name for name, state, _ in rows if state == "partly"]
    assert f"Not met as a whole: {', '.join(partly)}." in _read("docs/asvs.md")


def test_make_commands_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", _read("Makefile"), re.MULTILINE))
    for name in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z-]+)", _read(name)))
        assert named <= targets, name


def test_architecture_is_short() -> None:
    assert len(_read("ARCHITECTURE.md").splitlines()) <= 250


def test_no_text_of_the_machine_in_the_tree() -> None:
    """The repository speaks of the product alone."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    pattern = re.compile(r"(?<![\w.~])/(?:home|root|opt|work)/\w")
    found = []
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".js", ".css", ".html", ""} and path.is_file():
            if path == Path(__file__).resolve():
                continue
            found += [
                f"{name}:{number}"
                for number, line in enumerate(
                    path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
                )
                if pattern.search(line)
            ]
    assert not found


def test_the_api_reference_is_what_the_routes_say() -> None:
    """``neurobot openapi --markdown > docs/api.md`` after a change of the routes."""
    assert _read("docs/api.md") == markdown(openapi_document())
