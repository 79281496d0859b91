"""Every page of the panel, in both languages, empty and filled, and who may open it."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from admin import panel
from bot.catalogue import Catalogue
from bot.domain import Inbound, Role

PAGES = (
    "/admin/overview",
    "/admin/knowledge",
    "/admin/knowledge/new",
    "/admin/knowledge/import",
    "/admin/knowledge/categories",
    "/admin/models",
    "/admin/channels",
    "/admin/people",
    "/admin/reports",
    "/admin/system",
)


async def test_pages_are_for_admins(enter, server) -> None:
    agent = await enter(Role.AGENT)
    for path in PAGES:
        await agent.get(path, status=403)
        async with aiohttp.ClientSession(server.url) as nobody, nobody.get(path) as response:
            assert response.status in {401, 200}
            assert "csrf_token" not in await response.text() or "sign-in" in str(response.url)
    admin = await enter(Role.ADMIN)
    await admin.get("/admin/overview")


async def test_forms_need_their_token(owner) -> None:
    owner.csrf = "wrong"
    await owner.post("/admin/system/backup", status=403)


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_every_page_empty_and_filled(owner, server, lang: str) -> None:
    for path in PAGES:
        text = await owner.get(path, lang=lang)
        assert f'lang="{lang}"' in text
        assert "style=" not in text
    await owner.post("/admin/first-run/sample")
    await server.services.pipeline.receive(
        Inbound("web", "m1", "v1", "Как сменить пароль?", server.services.clock(), language="ru")
    )
    await server.services.pipeline.settled()
    await owner.post("/admin/system/backup")
    for path in (*PAGES, "/admin/knowledge?query=парол&language=ru", "/admin/reports?days=7"):
        await owner.get(path, lang=lang)
    assert await owner.get("/admin/knowledge?query=zzzzqq", lang=lang)


async def test_bad_queries_are_refused_or_read_as_default(owner) -> None:
    await owner.get("/admin/knowledge?state=nonsense", status=400)
    await owner.get("/admin/knowledge?page=999999999999")
    await owner.get("/admin/knowledge?page=-1")
    await owner.get("/admin/reports?days=x")
    await owner.get("/admin/overview?done=nonsense&p.x=<b>")
    await owner.get("/admin/knowledge/99999", status=404)
    await owner.get("/admin/system/backups/..%2Fneurobot.db", status=404)


async def test_first_run_goes_away(owner, server) -> None:
    assert "first-run" in await owner.get("/admin/overview")
    location, _ = await owner.post("/admin/first-run/sample")
    assert "done=sample" in location
    for step in ("channel", "train", "agents"):
        await owner.post(f"/admin/first-run/{step}/skip")
    assert "first-run" not in await owner.get("/admin/overview")
    await owner.post("/admin/first-run/nonsense/skip", status=404)


async def test_sample_data_answers_questions(owner, server) -> None:
    await owner.post("/admin/first-run/sample")
    found = await server.services.pipeline.suggest("how do i sign up")
    assert "Create a shop" in found.items[0].text
    found = await server.services.pipeline.suggest("как у вас зарегистрироваться")
    assert "Создать магазин" in found.items[0].text


async def test_categories_switch_automatic_replies(owner, server) -> None:
    await owner.upload(b"question,answer,category\nq,a,Money\n")
    knowledge = server.services.store.knowledge
    await knowledge.save(text="x", category="Money & <more>", questions=["y"], language="en")
    page = await owner.get("/admin/knowledge/categories")
    assert "Money &amp; &lt;more&gt;" in page
    form = {"name": "Money & <more>", "auto_reply": "1", "threshold": "95"}
    await owner.post("/admin/knowledge/categories", **form)
    (category,) = await knowledge.categories()
    assert (category.auto_reply, category.auto_threshold) == (True, 0.95)
    await owner.post("/admin/knowledge/categories", status=404, name="nonsense")


async def test_people_links_roles_and_rights(owner, enter, server) -> None:
    _, page = await owner.post(
        "/admin/people", status=200, name="Анна", login="anna", role="agent", agent_language="ru"
    )
    link = re.search(r"(/sign-in/link/[\w-]+)", page)
    assert link
    assert link[1] not in await owner.get("/admin/people")
    async with aiohttp.ClientSession(server.url) as anna:
        async with anna.post(link[1], allow_redirects=False) as response:
            assert response.status == 303
        async with anna.post(link[1], allow_redirects=False) as response:
            assert response.status == 404
    await owner.post("/admin/people", status=422, name="x", login="anna", role="agent")
    await owner.post("/admin/people", status=422, name="x", login="не то", role="agent")
    agent = (await server.services.store.people.by_login("anna"))[0]
    await owner.post(f"/admin/people/{agent.id}/role", role="admin")
    await owner.post(f"/admin/people/{agent.id}/disable")
    await owner.post(f"/admin/people/{agent.id}/link", status=400)
    await owner.post(f"/admin/people/{agent.id}/enable")
    admin = await enter(Role.ADMIN)
    await admin.post(f"/admin/people/{agent.id}/role", status=403, role="owner")
    mine = (await server.services.store.people.by_login("owner0"))[0]
    await admin.post(f"/admin/people/{mine.id}/disable", status=403)
    await owner.post(f"/admin/people/{mine.id}/role", status=403, role="agent")


async def test_tokens_are_shown_once_and_can_be_revoked(owner, server) -> None:
    await owner.post("/admin/people/tokens", status=422, token_name="x")
    _, page = await owner.post(
        "/admin/people/tokens", status=200, **{"token_name": "CRM", "scope.suggest": "1"}
    )
    secret = re.search(r"nb_[\w-]+", page)
    assert secret
    headers = {"Authorization": f"Bearer {secret[0]}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as program:
        async with program.post("/api/v1/suggest", json={"text": "hi", "top_k": 1}) as response:
            assert response.status == 200
        (token,) = await server.services.store.people.tokens()
        await owner.post(f"/admin/people/tokens/{token.id}/revoke")
        async with program.post("/api/v1/suggest", json={"text": "hi", "top_k": 1}) as response:
            assert response.status == 401
    assert secret[0] not in await owner.get("/admin/people")


async def test_backup_and_download(owner, enter, server) -> None:
    location, _ = await owner.post("/admin/system/backup")
    name = re.search(r"p\.name=(neurobot-[\d-]+\.db)", location)
    assert name
    async with owner.session.get(f"/admin/system/backups/{name[1]}") as response:
        assert (await response.read()).startswith(b"SQLite format 3")
    admin = await enter(Role.ADMIN)
    await admin.get(f"/admin/system/backups/{name[1]}", status=403)


async def test_writes_leave_audit_rows(owner, server) -> None:
    await owner.post("/admin/knowledge/new", text="A", questions="q", language="en", category="c")
    await owner.post("/admin/system/backup")
    actions = [entry.action for entry in (await server.services.store.people.audit_log()).items]
    assert {"article.saved", "backup.made"} <= set(actions)


async def test_verdicts_export_cannot_run_formulas(owner, server) -> None:
    async with owner.session.get("/admin/reports/verdicts.csv") as response:
        assert response.status == 200
        assert (await response.text()).lstrip("\ufeff").startswith("message_id")


def test_every_key_in_the_templates_has_its_text() -> None:
    known = set(Catalogue.load().keys())
    used: set[str] = set()
    for path in panel.TEMPLATES.glob("*.html"):
        used |= set(re.findall(r"""\bt\("([\w.:-]+)"[,)]""", path.read_text(encoding="utf-8")))
    for path in Path(panel.__file__).parent.rglob("*.py"):
        found = re.findall(
            r"""translate\(request, "([\w.:-]+)"[,)]""", path.read_text(encoding="utf-8")
        )
        used |= set(found)
    assert used
    assert not used - known
