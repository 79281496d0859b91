"""The whole server with its panel on a free port, and signed-in people."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import msgspec
import pytest

from admin import panel
from bot.app import Running, running
from bot.domain import Role
from bot.settings import Settings


@dataclass
class Person:
    """A signed-in browser without scripts."""

    session: aiohttp.ClientSession
    csrf: str

    async def get(self, path: str, status: int = 200, lang: str = "en") -> str:
        headers = {"Accept": "text/html", "Cookie": f"lang={lang}"}
        async with self.session.get(path, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.text()

    async def post(self, path: str, status: int = 303, **fields: str) -> tuple[str, str]:
        """Where the answer leads, and its text."""
        data = {"csrf_token": self.csrf, **fields}
        headers = {"Accept": "text/html"}
        async with self.session.post(
            path, data=data, headers=headers, allow_redirects=False
        ) as response:
            text = await response.text()
            assert response.status == status, text
            return response.headers.get("Location", ""), text

    async def upload(self, content: bytes, name: str = "kb.csv", status: int = 200) -> str:
        form = aiohttp.FormData()
        form.add_field("csrf_token", self.csrf)
        form.add_field("language", "")
        form.add_field("file", io.BytesIO(content), filename=name, content_type="text/csv")
        async with self.session.post("/admin/knowledge/import", data=form) as response:
            assert response.status == status, await response.text()
            return await response.text()


@pytest.fixture
def panel_settings(settings: Settings) -> Settings:
    http = msgspec.structs.replace(settings.http, port=0)
    answers = msgspec.structs.replace(settings.answers, burst_quiet_s=0.0, undo_s=0.0)
    return msgspec.structs.replace(settings, http=http, answers=answers)


@pytest.fixture
async def server(panel_settings: Settings) -> AsyncIterator[Running]:
    async with running(
        panel_settings,
        extra=[panel.add],
        templates=[panel.TEMPLATES],
        navigation=panel.NAVIGATION,
    ) as running_server:
        yield running_server


@pytest.fixture
async def enter(server: Running) -> AsyncIterator:
    """``await enter(Role.ADMIN)`` signs a new person in by a one-time link."""
    opened: list[aiohttp.ClientSession] = []

    async def sign_in(role: Role = Role.OWNER) -> Person:
        people = server.services.store.people
        login = f"{role.value}{len(opened)}"
        agent = await people.create_agent(login, login.title(), role, "en")
        link = f"/sign-in/link/{await people.one_time_link(agent.id, 3600.0)}"
        jar = aiohttp.CookieJar(unsafe=True)
        session = aiohttp.ClientSession(server.url, cookie_jar=jar)
        opened.append(session)
        async with session.post(f"{link}?next=/desk", allow_redirects=False) as response:
            assert response.headers["Location"] == "/desk"
        async with session.get("/account", headers={"Accept": "text/html"}) as response:
            found = re.search(r'name="csrf-token" content="([^"]+)"', await response.text())
            assert found
        return Person(session, found[1])

    yield sign_in
    for session in opened:
        await session.close()


@pytest.fixture
async def owner(enter) -> Person:
    return await enter(Role.OWNER)
