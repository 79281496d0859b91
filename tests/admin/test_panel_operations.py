"""Webhooks, sessions, tokens, the audit log and the state of the system, as pages."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from admin import panel
from bot.access.devices import device_name
from bot.catalogue import Catalogue
from bot.domain import Role
from bot.settings import Settings

PAGES = (
    "/admin/system",
    "/admin/system/audit",
    "/admin/system/webhooks",
    "/admin/system/webhooks/new",
    "/admin/people",
    "/admin/people/sessions",
    "/admin/people/tokens",
)


@pytest.fixture
def panel_settings(panel_settings: Settings) -> Settings:
    webhooks = msgspec.structs.replace(panel_settings.webhooks, private_networks=("127.0.0.0/8",))
    return msgspec.structs.replace(panel_settings, webhooks=webhooks)


@pytest.fixture
async def receiver():
    """An address that takes everything, until ``broken`` is set."""
    broken = asyncio.Event()
    got: list[dict] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(text="<b>no</b>", status=500) if broken.is_set() else web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", got, broken
    await runner.cleanup()


@pytest.mark.parametrize("lang", ["ru", "en"])
async def test_pages_show_in_both_languages_and_name_a_next_action(owner, enter, lang) -> None:
    for path in PAGES:
        text = await owner.get(path, lang=lang)
        assert f'lang="{lang}"' in text
    assert "/admin/system/webhooks/new" in await owner.get("/admin/system/webhooks", lang=lang)
    assert 'href="#new-token"' in await owner.get("/admin/people/tokens", lang=lang)
    agent = await enter(Role.AGENT)
    for path in PAGES:
        await agent.get(path, status=403)


async def make(owner, url: str, *events: str) -> tuple[str, str]:
    """Address of the new webhook's page, and its secret."""
    chosen = {f"event.{event}": "1" for event in events or ("message.created",)}
    _, text = await owner.post("/admin/system/webhooks", status=200, name="CRM", url=url, **chosen)
    secret = re.search(r"whsec_[\w-]+", text)
    page = re.search(r'action="(/admin/system/webhooks/\d+)/test"', text)
    assert secret
    assert page
    return page[1], secret[0]


async def test_a_webhook_from_form_to_delivery(owner, receiver) -> None:
    url, got, broken = receiver
    page, secret = await make(owner, url)
    assert secret not in await owner.get(page)
    location, _ = await owner.post(f"{page}/test")
    assert "200" in await owner.get(location)
    assert got[0]["event"] == "webhook.test"
    broken.set()
    location, _ = await owner.post(f"{page}/test")
    shown = await owner.get(location)
    assert "500" in shown
    assert "&lt;b&gt;no&lt;/b&gt;" in shown
    assert "1 of 10" in shown
    assert "webhook.test" in await owner.get(f"{page}?state=waiting")
    empty = await owner.get(f"{page}?state=dead")
    assert f'href="{page}"' in empty  # the way out of a filter that leaves nothing
    await owner.get(f"{page}?state=nonsense", status=400)


async def test_dead_deliveries_are_sent_again_one_or_all(owner, receiver, server) -> None:
    url, got, _ = receiver
    page, _ = await make(owner, url)
    await owner.post(f"{page}/test")
    webhooks = server.services.store.webhooks
    (delivery,) = (await webhooks.deliveries(int(page.rpartition("/")[2]))).items

    def kill(connection) -> None:
        connection.execute("UPDATE webhook_deliveries SET state = 'dead'")

    await server.services.store.db.write(kill)
    assert "replay-dead" in await owner.get(page)
    location, _ = await owner.post(f"{page}/replay-dead")
    assert "count=1" in location
    async with asyncio.timeout(5):
        while len(got) < 2:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        while (await webhooks.delivery(delivery.id))[0].state != "delivered":
            await asyncio.sleep(0.01)
    await owner.post(f"{page}/deliveries/{delivery.id}/replay")
    assert [body["id"] for body in got] == [delivery.public_id] * 3
    await owner.post(f"{page}9/deliveries/{delivery.id}/replay", status=404)


async def test_a_webhook_is_changed_paused_and_removed(owner, receiver, server) -> None:
    url, _, _ = receiver
    page, secret = await make(owner, url)
    change = {"name": "Stock", "url": url, "event.verdict.given": "1"}
    await owner.post(page, **change)
    assert "Stock" in await owner.get(page)
    await owner.post(f"{page}/pause", active="0")
    (webhook,) = await server.services.store.webhooks.list()
    assert (webhook.active, webhook.events) == (False, ("verdict.given",))
    await owner.post(f"{page}/pause", active="1")
    _, text = await owner.post(f"{page}/secret", status=200)
    assert re.search(r"whsec_[\w-]+", text)[0] != secret
    await owner.post(f"{page}/remove")
    await owner.get(page, status=404)
    actions = {entry.action for entry in (await server.services.store.people.audit_log()).items}
    assert {"webhook.created", "webhook.changed", "webhook.paused", "webhook.removed"} <= actions


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "url": "https://a.example/", "event.message.created": "1"},
        {"name": "x", "url": "https://a.example/"},
        {"name": "x", "url": "ftp://a.example/", "event.message.created": "1"},
        {"name": "x", "url": "https://u:p@a.example/", "event.message.created": "1"},
        {"name": "x", "url": "http://169.254.169.254/", "event.message.created": "1"},
    ],
)
async def test_a_bad_webhook_is_refused_and_the_form_kept(owner, form) -> None:
    _, text = await owner.post("/admin/system/webhooks", status=422, **form)
    assert f'value="{form["url"]}"' in text
    assert 'role="alert"' in text


async def test_sessions_show_where_and_are_ended(owner, enter, server) -> None:
    agent = await enter(Role.AGENT)
    page = await owner.get("/admin/people/sessions")
    assert "127.0.0.1" in page
    assert "Python" in page
    (mine,) = await server.services.store.people.everyones_sessions(1)
    found = re.findall(r"/admin/people/sessions/(\d+)/end", page)
    assert str(mine[1].id) not in found  # this one ends by signing out
    await owner.post(f"/admin/people/sessions/{found[0]}/end")
    async with agent.session.get("/desk", allow_redirects=False) as response:
        assert response.status in {303, 302, 401}
    await owner.post(f"/admin/people/sessions/{found[0]}/end", status=404)
    assert "/admin/people/sessions" in await owner.get("/admin/people/sessions?agent=2")


async def test_an_admin_does_not_end_the_sessions_of_an_owner(owner, enter, server) -> None:
    admin = await enter(Role.ADMIN)
    (mine,) = await server.services.store.people.everyones_sessions(1)
    await admin.post(f"/admin/people/sessions/{mine[1].id}/end", status=403)
    assert "/desk" in await owner.get("/account")


async def test_ones_other_sessions_end_together(owner, server) -> None:
    people = server.services.store.people
    await people.create_session(1)
    assert "end-others" in await owner.get("/admin/people/sessions")
    await owner.post("/admin/people/sessions/end-others")
    assert len(await people.everyones_sessions(1)) == 1


async def test_audit_is_filtered_exported_and_checked(owner, server) -> None:
    people = server.services.store.people
    await owner.post("/admin/system/backup")
    await people.audit("=cmd()", "backup.made", "100% _x_", {"by": ["a", "b"]})
    page = await owner.get("/admin/system/audit?what=backup&text=100%25")
    assert "100% _x_" in page
    assert "by: a, b" in page
    assert "The log is whole" in page
    assert "neurobot-" not in page.partition("<tbody>")[2]
    assert "No such entries" in await owner.get("/admin/system/audit?text=zzz")
    assert "No such entries" in await owner.get("/admin/system/audit?until=2001-01-01")
    await owner.get("/admin/system/audit?since=yesterday", status=400)
    await owner.get("/admin/system/audit?since=9999-12-31&until=9999-12-31", status=400)
    async with owner.session.get("/admin/system/audit.csv?what=backup.made") as response:
        text = await response.text()
    assert text.startswith("\ufeffid,at,actor,action")
    assert "'=cmd()" in text
    assert "sign-in" not in text

    def tamper(connection) -> None:
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE id = 1")

    await server.services.store.db.write(tamper)
    assert "The chain breaks at entry 1" in await owner.get("/admin/system/audit")


def test_every_action_has_its_words() -> None:
    """Actions that the sources name are shown as words, not as codes."""
    known = Catalogue.load()
    root = Path(panel.__file__).parent
    sources = [*root.rglob("*.py"), *root.with_name("bot").rglob("*.py")]
    named = set()
    for path in sources:
        text = path.read_text("utf-8")
        named |= set(re.findall(r'audit\([^"()]*(?:\([^)]*\))?[^"()]*"([a-z]+[.-][a-z-]+)"', text))
    assert len(named) > 15
    assert not {action for action in named if f"panel.audit.action.{action}" not in known}


async def test_system_shows_queues_disk_and_a_missed_backup(owner, server) -> None:
    page = await owner.get("/admin/system")
    for word in ("Queues", "Free disk", "Backup"):
        assert word in page
    location, _ = await owner.post("/admin/system/backup")
    assert "done=backup" in location
    old = server.services.settings.data_path / "backups"
    name, events = sorted(old.iterdir(), key=lambda path: len(path.name))
    assert events.name == f"{name.stem}.events.db"
    os.utime(name, (1, 1))
    page = await owner.get("/admin/system")
    assert "Make one now" in page


async def test_tokens_have_a_page(owner, server) -> None:
    _, page = await owner.post(
        "/admin/people/tokens", status=200, **{"token_name": "CRM", "scope.suggest": "1"}
    )
    secret = re.search(r"nb_[\w-]+", page)
    assert secret
    page = await owner.get("/admin/people/tokens")
    assert secret[0] not in page
    (token,) = await server.services.store.people.tokens()
    await owner.post(f"/admin/people/tokens/{token.id}/revoke")
    assert "1 revoked token" in await owner.get("/admin/people/tokens")
    headers = {"Authorization": f"Bearer {secret[0]}"}
    body = {"text": "hi", "top_k": 1}
    async with (
        aiohttp.ClientSession(server.url, headers=headers) as program,
        program.post("/api/v1/suggest", json=body) as response,
    ):
        assert response.status == 401


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/2010 Firefox/130.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120 Safari/537.36 Edg/120",
         "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17 Safari/604",
         "Safari, iPhone"),
        ("", ""), ("x" * 10_000, ""),
    ],
)  # fmt: skip
def test_browsers_are_named_as_people_name_them(agent: str, name: str) -> None:
    assert device_name(agent) == name
