"""A real server on a free port, and clients for each kind of caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import msgspec
import pytest

from bot.app import Running, running
from bot.domain import Role
from bot.settings import Settings

SignIn = Callable[..., Awaitable[aiohttp.ClientSession]]


@pytest.fixture
def server_settings(settings: Settings) -> Settings:
    """The settings of the test, on a free port and without waiting for bursts or undo."""
    http = msgspec.structs.replace(settings.http, port=0)
    answers = msgspec.structs.replace(settings.answers, burst_quiet_s=0.0, undo_s=0.0)
    return msgspec.structs.replace(settings, http=http, answers=answers)


@pytest.fixture
async def server(server_settings: Settings) -> AsyncIterator[Running]:
    """The whole server, answering on ``server.url``."""
    async with running(server_settings) as running_server:
        yield running_server


@pytest.fixture
async def client(server: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody whom the server does not know."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.fixture
async def sign_in(server: Running) -> AsyncIterator[SignIn]:
    """``await sign_in(Role.ADMIN)`` gives the session of a new person, CSRF token included."""
    opened: list[aiohttp.ClientSession] = []

    async def open_session(role: Role = Role.AGENT, login: str = "") -> aiohttp.ClientSession:
        people = server.services.store.people
        name = login or f"{role.value}{len(opened)}"
        agent = await people.create_agent(name, name.title(), role, "en")
        token = await people.create_session(agent.id, 3600.0)
        found = await people.session(token)
        assert found is not None
        session = aiohttp.ClientSession(
            server.url,
            cookies={"neurobot": token},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"X-CSRF-Token": found[1].csrf_token},
        )
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()


@pytest.fixture
async def program(server: Running) -> AsyncIterator[SignIn]:
    """``await program("suggest")`` gives the session of a program with these scopes."""
    opened: list[aiohttp.ClientSession] = []

    async def open_session(*scopes: str) -> aiohttp.ClientSession:
        _, secret = await server.services.store.people.create_token("test", scopes)
        session = aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {secret}"})
        opened.append(session)
        return session

    yield open_session
    for session in opened:
        await session.close()
