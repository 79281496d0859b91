"""A server in a process and a temporary folder of its own, filled before it starts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from admin.bench.event_load import SITE
from admin.bench.texts import Source, TextMaker
from admin.operations import import_articles
from bot.domain import Ticket
from bot.errors import NeurobotError
from bot.services import Services, build
from bot.settings import load_settings
from bot.store import ArticleRow

_SCOPES: Final = ("messages:write", "conversations:read", "suggest", "admin")
_PATIENCE_S: Final = 120.0
_POLL_S: Final = 0.05


@asynccontextmanager
async def served(sources: Sequence[Source], articles: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a server that knows the sources, and ``articles`` in all where that is more.

    The server works as ``neurobot serve`` does and shares nothing with this process but the
    machine.

    Raises:
        NeurobotError: it did not start.
    """
    async with serving(lambda services: _fill(services, sources, articles)) as server:
        yield server.session


@dataclass(frozen=True)
class Serving:
    """A server of its own: a client with every right, its token, and where it works."""

    session: aiohttp.ClientSession
    token: str
    port: int
    pid: int


@asynccontextmanager
async def serving(fill: Callable[[Services], Awaitable[None]]) -> AsyncIterator[Serving]:
    """A server on what ``fill`` stored before it started.

    Raises:
        NeurobotError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="neurobot-bench-") as name:
        port = _free_port()
        config = _config(Path(name), port)
        async with build(load_settings(config, environ={})) as services:
            await fill(services)
            _, token = await services.store.people.create_token("bench", _SCOPES)
        process = await _start(config)
        try:
            async with aiohttp.ClientSession(
                f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {token}"},
                connector=aiohttp.TCPConnector(limit=0),
            ) as session:
                await _ready(session, process)
                yield Serving(session, token, port, process.pid)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


def _config(folder: Path, port: int) -> Path:
    config = folder / "settings.toml"
    config.write_text(
        f'data_dir = "{folder / "data"}"\n[http]\nport = {port}\n'
        'requests_per_minute = 1000000\n[log]\nlevel = "ERROR"\n'
        f'[widget]\nallowed_origins = ["{SITE}"]\n',
        encoding="utf-8",
    )
    return config


async def _fill(services: Services, sources: Sequence[Source], articles: int) -> None:
    rows = [ArticleRow(s.text, s.questions, s.title, s.category, s.language) for s in sources]
    more = TextMaker(sources).articles(max(articles - len(rows), 0))
    rows += [
        ArticleRow(item.text, item.questions, item.title, item.category, item.language)
        for item in more
    ]
    await import_articles(services, rows, dry_run=False)
    ids = {article.text: article.id for article in await services.store.knowledge.all_items()}
    await services.store.knowledge.import_tickets([
        Ticket(asked, s.category, ids.get(s.text.strip()), s.text, s.language, origin="bench")
        for s in sources
        for asked in s.questions
    ])  # fmt: skip


async def _start(config: Path) -> asyncio.subprocess.Process:
    environment = {key: text for key, text in os.environ.items() if key[:9] != "NEUROBOT_"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin", "--config", str(config), "serve",
        env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def _ready(session: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> None:
    waited = 0.0
    while process.returncode is None and waited < _PATIENCE_S:
        try:
            async with session.get("/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(_POLL_S)
        waited += _POLL_S
    raise NeurobotError("The server of the bench did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
