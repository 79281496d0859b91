"""The whole server with its panel, and everyone who may call it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
import pytest

from admin import panel
from bot.access import ACCESS, SCOPES
from bot.app import Running, running
from bot.domain import Agent, Role
from bot.limits import RateLimiter
from bot.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PROFILE = os.environ.get("TRUST_PROFILE", "")
# What an ordinary test run has no time for, and proves in a smaller form elsewhere.
collect_ignore = [] if PROFILE else [
    "test_backups_under_load.py", "test_crash_points_of_work.py", "test_described_requests.py",
    "test_faketime.py", "test_idle_streams.py", "test_real_disks.py",
]  # fmt: skip


@pytest.fixture(scope="session")
def sized() -> Callable[[int, int, int], int]:
    """``sized(few, short, full)``: how much of it this run does."""
    return lambda few, short, full: {"short": short, "full": full}.get(PROFILE, few)


@dataclass
class Caller:
    """Somebody with an HTTP client: a person by role, a program by scope, a visitor, nobody."""

    name: str
    http: aiohttp.ClientSession
    role: Role | None = None
    scope: str = ""
    csrf: str = ""
    agent: Agent | None = None

    async def post(self, path: str, **options) -> tuple[int, str]:
        """Status and text of a form or a body, sent with the token of the session."""
        headers = {"X-CSRF-Token": self.csrf, "Accept": "application/json"}
        async with self.http.post(path, headers=headers, allow_redirects=False, **options) as reply:
            return reply.status, await reply.text()

    async def get(self, path: str, **options) -> tuple[int, str]:
        """Status and text."""
        headers = {"Accept": "application/json"}
        async with self.http.get(path, headers=headers, allow_redirects=False, **options) as reply:
            return reply.status, await reply.text()


@dataclass
class House:
    """A server, and ways to become somebody."""

    server: Running
    stack: AsyncExitStack
    made: list[Caller] = field(default_factory=list)

    @property
    def store(self):
        return self.server.services.store

    async def person(self, role: Role, login: str = "") -> Caller:
        people = self.store.people
        login = login or f"{role.value}{len(self.made)}"
        agent = await people.create_agent(login, login.title(), role, "en")
        token = await people.create_session(agent.id, 3600.0)
        found = await people.session(token)
        assert found is not None
        http = await self._client(cookies={"neurobot": token})
        return self._kept(Caller(role.value, http, role, "", found[1].csrf_token, agent))

    async def program(self, scope: str) -> Caller:
        _, secret = await self.store.people.create_token(scope, [scope])
        http = await self._client(headers={"Authorization": f"Bearer {secret}"})
        return self._kept(Caller(f"token:{scope}", http, scope=scope))

    async def visitor(self) -> Caller:
        nobody = await self.nobody()
        async with nobody.http.post("/chat/visitors", json={}) as reply:
            token = (await reply.json())["token"]
        http = await self._client(headers={"Authorization": f"Bearer {token}"})
        return self._kept(Caller("visitor", http))

    async def nobody(self) -> Caller:
        return self._kept(Caller("nobody", await self._client()))

    async def everyone(self) -> list[Caller]:
        """One of each kind; also somebody whose token or account has ended."""
        persons = [await self.person(role) for role in Role]
        former = await self.person(Role.OWNER, "former")
        await self.store.people.disable(former.agent.id)
        revoked = await self.program("admin")
        for token in await self.store.people.tokens():
            await self.store.people.revoke_token(token.id)
        former.name, revoked.name = "disabled", "revoked"
        former.role, revoked.scope = None, ""
        return [
            await self.nobody(), await self.visitor(), former, revoked,
            *persons,
            *[await self.program(scope) for scope in SCOPES],
        ]  # fmt: skip

    async def _client(self, **options) -> aiohttp.ClientSession:
        jar = aiohttp.CookieJar(unsafe=True)
        session = aiohttp.ClientSession(self.server.url, cookie_jar=jar, **options)
        return await self.stack.enter_async_context(session)

    def _kept(self, caller: Caller) -> Caller:
        self.made.append(caller)
        return caller


@asynccontextmanager
async def _house(settings: Settings, **sections) -> AsyncIterator[House]:
    http = msgspec.structs.replace(settings.http, port=0, requests_per_minute=10_000_000)
    answers = msgspec.structs.replace(settings.answers, burst_quiet_s=0.0, undo_s=0.0)
    settings = msgspec.structs.replace(settings, http=http, answers=answers, **sections)
    panel_parts = {"templates": [panel.TEMPLATES], "navigation": panel.NAVIGATION}
    async with (
        running(settings, extra=[panel.add], **panel_parts) as server,
        AsyncExitStack() as stack,
    ):
        server.app[ACCESS].bad_tokens = RateLimiter(10_000_000, 60.0)
        yield House(server, stack)


@asynccontextmanager
async def _serving(
    folder: Path,
    ends_with: int = 0,
    before: Sequence[str] = (),
    program: Sequence[str] = ("bot",),
    **more: str,
) -> AsyncIterator[tuple[str, int]]:
    """Address and process id of a server; ``before``: what its command begins with."""
    process = await asyncio.create_subprocess_exec(
        *before, sys.executable, "-m", *program, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={
            "NEUROBOT_DATA_DIR": str(folder), "NEUROBOT_HTTP__PORT": "0", "PYTHONUNBUFFERED": "1",
            "NEUROBOT_HTTP__REQUESTS_PER_MINUTE": "100000000", "NEUROBOT_LOG__LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT), "NEUROBOT_EVENTS__REQUESTS_PER_MINUTE": "100000000", **more,
        },
    )  # fmt: skip
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while b"answers on " not in (line := await process.stderr.readline()):
            assert line, "the server did not start"
    drain = asyncio.create_task(_drain(process.stderr))
    try:
        yield line.split(b"answers on ")[1].split()[0].decode(), process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):  # killed by the test
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == ends_with
        await drain


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


@pytest.fixture
def serving() -> object:
    """``async with serving(folder) as (url, pid)``: a server as a process of its own."""
    return _serving


@pytest.fixture
def new_house() -> object:
    """``async with new_house(settings) as house``"""
    return _house


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """A server with its panel on an empty data folder."""
    async with _house(settings) as made:
        yield made
