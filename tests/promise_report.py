"""What became of each promise of ``docs/promises.md``.

``--promises FILE`` runs the tests that the document names and no others, prints a line for each
promise and writes them as JSON; the run fails unless each is kept. All tests of a promise have to
pass. A test tells what it measured by ``record_property("figure", "...")``, by ``"figure R1"``
where that is of one promise alone. ``--write-promises`` puts it into the document's last column.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "promises.md"
PROFILE = os.environ.get("TRUST_PROFILE", "short")
_ROW = re.compile(
    r"^\| (?P<id>[A-Z]\d+) \| (?P<promise>.+?) \| (?P<floor>.+?)"
    r" \| (?P<tests>`.+?) \| (?P<figure>.*?) ?\|$"
)


@dataclass
class Promise:
    """A row of the document, and what its tests came to."""

    id: str
    floor: str
    tests: tuple[str, ...]
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def proved_by(self, test: str) -> bool:
        """Whether the document names this test, or the file that it stands in."""
        return any(test == one or test.startswith((f"{one}::", f"{one}[")) for one in self.tests)

    @property
    def figure(self) -> str:
        """What was measured, else how many tests passed."""
        return "; ".join(self.figures) or f"{self.passed} tests"

    @property
    def kept(self) -> bool:
        """Something proved it and nothing spoke against it."""
        return bool(self.passed) and not self.failed

    def add(self, report: pytest.TestReport) -> None:
        """One phase of one of its tests."""
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            self.skipped.append(f"{report.nodeid}: {reason}")
        elif report.when == "call":
            self.passed += 1
            names = ("figure", f"figure {self.id}")
            self.figures += [str(v) for name, v in report.user_properties if name in names]


def read_promises(document: Path = DOCUMENT) -> Iterator[Promise]:
    """The rows of the document."""
    for line in document.read_text(encoding="utf-8").splitlines():
        if found := _ROW.match(line):
            tests = tuple(re.findall(r"`([^`]+)`", found["tests"]))
            yield Promise(found["id"], found["floor"], tests)


class Collector:
    """The hooks of a run that proves promises."""

    def __init__(self, target: Path, *, write: bool) -> None:
        self._target = target
        self._write = write
        self._promises = list(read_promises())

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what proves nothing."""
        proofs = [one for one in items if any(p.proved_by(one.nodeid) for p in self._promises)]
        chosen = set(proofs)
        config.hook.pytest_deselected(items=[one for one in items if one not in chosen])
        items[:] = proofs

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over."""
        for promise in self._promises:
            if promise.proved_by(report.nodeid):
                promise.add(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Passed tests that prove too little are no success."""
        worker = hasattr(session.config, "workerinput")
        if not worker and not all(one.kept for one in self._promises):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A line a promise, on the screen and in the file."""
        terminalreporter.section(f"promises ({PROFILE})")
        for one in self._promises:
            word = "kept" if one.kept else "BROKEN" if one.failed else "not proved"
            terminalreporter.write_line(f"{one.id:<4} {word}: {one.figure} (floor: {one.floor})")
        self._target.parent.mkdir(parents=True, exist_ok=True)
        document = json.dumps(self._document(), ensure_ascii=False, indent=1)
        self._target.write_text(document, encoding="utf-8")
        if self._write:
            DOCUMENT.write_text(self._rewritten(), encoding="utf-8")

    def _document(self) -> dict[str, object]:
        return {
            "profile": PROFILE,
            "promises": [
                {"id": one.id, "passed": one.kept, "figure": one.figure, "floor": one.floor}
                for one in self._promises
            ],
            "skipped": [
                {"id": one.id, "reason": reason} for one in self._promises for reason in one.skipped
            ],
        }

    def _rewritten(self) -> str:
        figures = {one.id: one.figure for one in self._promises if one.kept}

        def row(line: str) -> str:
            found = _ROW.match(line)
            if not found or found["id"] not in figures:
                return line
            cells = [found[name] for name in ("id", "promise", "floor", "tests")]
            return f"| {' | '.join([*cells, figures[found['id']]])} |"

        lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
        return "\n".join([*map(row, lines), ""])


# Each runs for a minute or two: begun last, one of them would keep everybody waiting alone.
_LONGEST = (
    "test_memory.py", "test_xss_browser.py", "test_screens.py", "test_kills.py",
    "test_event_kills.py", "test_overload.py", "test_webhook_kills.py", "test_loop_browser.py",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first where promises are proven, on as many workers as there are."""
    if config.getoption("--promises"):
        places = {name: place for place, name in enumerate(_LONGEST)}
        items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("promises")
    group.addoption("--promises", type=Path, help="prove the promises, write JSON to this file")
    group.addoption("--write-promises", action="store_true", help="put figures into the document")


def pytest_configure(config: pytest.Config) -> None:
    """Take part where promises are asked for."""
    target = config.getoption("--promises")
    if target:
        config.pluginmanager.register(Collector(target, write=config.getoption("--write-promises")))
