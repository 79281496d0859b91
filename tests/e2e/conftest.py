"""A real server process and a real browser."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

ROOT = Path(__file__).resolve().parents[2]
_CANDIDATES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Server:
    """A ``neurobot serve`` of its own, with what it printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    reading: asyncio.Task[None] | None = None
    url: str = ""

    async def printed(self, pattern: str, timeout_s: float = 30) -> str:
        """First group of ``pattern`` in a line of standard error, waiting for it."""
        async with asyncio.timeout(timeout_s):
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found[1]
                assert self.process.returncode is None, "".join(self.lines)
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """Ask it to stop and give its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            code = await self.process.wait()
        if self.reading is not None:
            await self.reading
        return code


async def start_server(data_dir: Path, **settings: str) -> Server:
    """Start the real server on a free port and wait until it says where it answers."""
    environment = {
        **os.environ,
        "NEUROBOT_DATA_DIR": str(data_dir),
        "NEUROBOT_HTTP__PORT": "0",
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "admin",
        "serve",
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    server = Server(process)

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            server.lines.append(line.decode())

    server.reading = asyncio.create_task(read())
    server.url = await server.printed(r"answers on (https?://[^\s/]+)")
    return server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A fresh server on an empty data folder."""
    running = await start_server(tmp_path / "data", NEUROBOT_ANSWERS__UNDO_S="0.5")
    yield running
    assert await running.stop() == 0, "".join(running.lines)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium: the system's, or Playwright's own; without one the test is skipped aloud."""
    async with async_playwright() as playwright:
        path = next((found for name in _CANDIDATES if (found := shutil.which(name))), None)
        try:
            launched = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        except Error as error:
            if os.environ.get("TEST_BROWSER") == "required":
                raise
            pytest.skip(f"no Chromium here: {str(error).splitlines()[0]}")
        yield launched
        await launched.close()


@dataclass
class Watched:
    """A browser context whose pages must stay clean: no console error, no foreign request."""

    context: BrowserContext
    problems: list[str]

    async def page(self, allowed: str) -> Page:
        """A page that may only talk to ``allowed``."""
        page = await self.context.new_page()
        page.on(
            "console",
            lambda m: (
                self.problems.append(f"console at {page.url}: {m.text}")
                if m.type == "error"
                else None
            ),
        )
        page.on("pageerror", lambda error: self.problems.append(f"page: {error}"))
        page.on(
            "request",
            lambda r: (
                self.problems.append(f"foreign: {r.url}")
                if not r.url.startswith((allowed, "data:", "blob:"))
                else None
            ),
        )
        return page


@pytest.fixture
async def watch(browser: Browser) -> AsyncIterator[object]:
    """Makes watched contexts; at the end none of them may have seen a problem."""
    made: list[Watched] = []

    async def make(**options: object) -> Watched:
        made.append(Watched(await browser.new_context(**options), []))  # type: ignore[arg-type]
        return made[-1]

    yield make
    problems = [problem for watched in made for problem in watched.problems]
    for watched in made:
        await watched.context.close()
    assert not problems


@pytest.fixture
def launch() -> object:
    """Starts a server on a folder that a test prepared."""
    return start_server


@pytest.fixture(scope="session")
def trained_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dozen sample articles and models trained on them; copy it before a change."""
    folder = tmp_path_factory.mktemp("trained")
    articles = (ROOT / "admin/demo/company/a_1.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    with (folder / "kb.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["question", "answer", "category"])
        for article in map(json.loads, articles):
            rows.writerows(
                [question, article["answer"]["en"], article["category"]]
                for question in article["questions"]["en"]
            )
    train = ["train", "--wait", "--preset", "fast"]
    for arguments in (["import", "knowledge", str(folder / "kb.csv")], train):
        subprocess.run(
            [sys.executable, "-m", "admin", "--data-dir", str(folder / "data"), *arguments],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=170,
        )
    return folder / "data"
