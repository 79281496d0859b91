"""The whole server with its panel on a free port, and signed-in people."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest

from admin import panel
from bot.app import Running, running
from bot.domain import Role
from bot.learning.gate import Ruling, check_leak
from bot.settings import Settings
from nlp.artifacts import save_json, write_manifest
from nlp.coverage import GRID


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


@pytest.fixture
def cells():
    """``cells(page, row)``: texts of the row of a table that begins with ``row``."""

    def texts_of(page: str, row: str) -> list[str]:
        found = re.search(rf'<th scope="row"[^>]*>{re.escape(row)}</th>(.*?)</tr>', page, re.DOTALL)
        assert found, row
        texts = re.findall(r"<td[^>]*>(.*?)</td>", found[1], re.DOTALL)
        return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in texts]

    return texts_of


@pytest.fixture
async def actions(server):
    """``await actions()``: actor, action and subject of the audit log, newest first."""

    async def noted() -> list[tuple[str, str, str]]:
        log = await server.services.store.people.audit_log()
        return [(entry.actor, entry.action, entry.subject) for entry in log.items]

    return noted


def counted(right: dict[str, tuple[int, int]]) -> dict:
    """Counts where of each group so many questions are sure (0.9), and so many of them right."""
    groups = {
        name: {
            "rows": rows,
            "all": [[rows, good] if threshold <= 0.9 else [0, 0] for threshold in GRID],
        }
        for name, (rows, good) in right.items()
    }
    rows = sum(one["rows"] for one in groups.values())
    whole = [
        [sum(one["all"][at][which] for one in groups.values()) for which in (0, 1)]
        for at in range(len(GRID))
    ]
    return {"rows": rows, "all": whole, "groups": groups}


def figures(accuracy: float = 0.9, ruling: Ruling | None = None) -> dict:
    """Metrics of a bundle, as a training writes them."""
    categories = [
        {"name": "Pay", "rows": 20, "called": 21, "right": 19},
        {"name": "Ship", "rows": 10, "called": 9, "right": round(10 * accuracy)},
        {"name": "Empty", "rows": 0, "called": 0, "right": 0},
    ]
    bins = [(0.3, 0.25, 8), (0.9, 0.95, 22)]
    automatic = counted({"Pay": (400, 396), "Ship": (30, 24), "Gifts": (25, 25)})
    return {
        "data": {"articles": 3, "questions": 30, "rows": 40, "unlabelled": 0},
        "classifier": {
            "accuracy": accuracy, "top3": 0.99, "macro_f1": 0.88, "ece": 0.021, "judged": 30,
            "categories": categories, "confusions": [("Ship", "Pay", 2)], "reliability": bins,
        },
        "ranking": {
            "acc_at_1": 0.8, "recall_at_5": 0.97, "mrr": 0.87, "ece": 0.04, "questions": 30,
            "reliability": bins, "automatic": automatic,
        },
        "latency_ms": {"new": 1.25},
        "ruling": (ruling or Ruling((check_leak([]),))).as_metrics(),
    }  # fmt: skip


@pytest.fixture
async def shop(server):
    """Three articles, ``publish`` to register a model that can be loaded, and its ``figures``."""
    services = server.services
    store = services.store
    found = SimpleNamespace(services=services, store=store, figures=figures)
    for category, text, question in (
        ("Pay", "Open Billing.", "How do I pay?"), ("Ship", "Open Orders.", "Where is my parcel?"),
        ("Gifts", "Gifts are wrapped.", "Do you wrap gifts?"),
    ):  # fmt: skip
        article = await store.knowledge.save(
            text=text, category=category, language="en", questions=[question]
        )
        setattr(found, category.lower(), article)
        await services.serving.apply_articles([article.id])

    async def publish(version: str, metrics: dict, *, live: bool = False) -> None:
        # Without parts of its own it answers by words, and loads at once.
        folder = services.settings.artefacts_path / version
        folder.mkdir(parents=True)
        save_json(folder / "bundle.json", {"version": version, "created_at": 1.0})
        write_manifest(folder)
        await store.models.add_bundle(version, str(folder), metrics)
        if live:
            await store.models.promote(version)
            await services.serving.reload(version)

    found.publish = publish
    return found
