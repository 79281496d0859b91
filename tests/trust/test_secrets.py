"""Nothing secret and nothing a customer wrote stands where it should not: canaries everywhere.

A server with every secret set goes through good and bad days; then all that it said and showed to
others than the addressee is searched for the canaries.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from bot import http, logs
from bot.access import ACCESS
from bot.app import openapi_document
from bot.domain import Role
from bot.settings import LogSettings, TelegramSettings, WebhookSettings

BOT = "987654321:AAcanaryAAcanaryAAcanaryAAcanaryAAc"
HOOK = "canary-webhook-secret-of-telegram"
PASSWORD = "canary four quiet words"
TEXT = "canary-words-of-a-customer"
NAME = "canary-name-of-a-customer"


@pytest.fixture
def secret_settings(settings):
    """Telegram at an address that refuses, so that its token is in what fails."""
    nowhere = "http://127.0.0.1:9/bot"
    return msgspec.structs.replace(
        settings,
        telegram=TelegramSettings(
            mode="webhook", token=BOT, webhook_secret=HOOK, api_url=nowhere, file_url=nowhere
        ),
        http=msgspec.structs.replace(settings.http, public_url="https://help.example.org"),
        webhooks=WebhookSettings(private_networks=("127.0.0.0/8",)),
        log=LogSettings(level="INFO", format="json"),
    )


class Days:
    """What happens, and what was shown on the way."""

    def __init__(self, house) -> None:
        self.house = house
        self.secrets = {BOT, HOOK, PASSWORD}
        self.shown: list[str] = []

    async def all(self) -> None:
        await self._people()
        await self._customers()
        await self._errors()
        await self._open_pages()

    async def _people(self) -> None:
        people = self.house.store.people
        self.owner = await self.house.person(Role.OWNER)
        (session,) = [one.value for one in self.owner.http.cookie_jar if one.key == "neurobot"]
        self.secrets |= {self.owner.csrf, session}
        hashed = await self.house.server.app[ACCESS].passwords.hash(PASSWORD)
        await people.set_password(self.owner.agent.id, hashed, keep_session=session)
        self.secrets.add(hashed)
        link = await people.one_time_link(self.owner.agent.id)
        _, token = await people.create_token("t", ["admin"])
        _, signing = await self.house.store.webhooks.create(
            "hook", "http://127.0.0.1:9/x", ["message.created"]
        )
        self.secrets |= {link, token, signing}
        nobody = await self.house.nobody()
        login = self.owner.agent.login
        for password in (PASSWORD, f"{PASSWORD} wrong"):
            fields = {"login": login, "password": password}
            self.shown.append((await nobody.post("/sign-in", data=fields))[1])
        self.shown.append((await nobody.post(f"/sign-in/link/{link}x"))[1])
        nobody.http.headers["Authorization"] = f"Bearer {token}x"
        self.shown.append((await nobody.get("/api/v1/conversations"))[1])
        nobody.http.headers["Authorization"] = f"Bearer {token}"
        self.program = nobody

    async def _customers(self) -> None:
        visitor = await self.house.visitor()
        self.secrets.add(visitor.http.headers["Authorization"].removeprefix("Bearer "))
        body = {"id": str(uuid4()), "text": TEXT, "name": NAME, "page": f"https://x/{TEXT}"}
        async with visitor.http.post("/chat/messages", json=body) as reply:
            talk = (await reply.json())["conversation"]
        body = {"external_id": "1", "customer": "c", "text": TEXT, "name": NAME}
        await self.program.post("/api/v1/messages", json=body)
        update = {
            "update_id": 1,
            "message": {
                "message_id": 1, "date": 1, "text": TEXT, "chat": {"id": 5, "type": "private"},
                "from": {"id": 5, "is_bot": False, "first_name": NAME},
            },
        }  # fmt: skip
        for secret in (HOOK, f"{HOOK}x"):
            self.program.http.headers["X-Telegram-Bot-Api-Secret-Token"] = secret
            self.shown.append((await self.program.post("/telegram/webhook", json=update))[1])
        await self.house.server.services.pipeline.settled()
        await self.program.post("/api/v1/suggest", json={"text": TEXT})
        body = {"text": TEXT, "key": str(uuid4())}
        await self.owner.post(f"/desk/conversations/{talk}/reply", json=body)
        await self.owner.get("/desk", params={"q": TEXT})
        queue = await self.house.store.conversations.queue("all", None)
        for one in queue.items:  # Telegram refuses, so this fails and is told
            body = {"text": f"answer to {TEXT}", "key": str(uuid4())}
            await self.owner.post(f"/desk/conversations/{one.public_id}/reply", json=body)
        self.house.server.services.delivery.wake()
        await asyncio.sleep(0.5)

    async def _errors(self) -> None:
        for body in ({"text": TEXT, "id": 5}, {"text": [TEXT]}, {TEXT: 1}):
            await self.program.post("/api/v1/suggest", json=body)
        raw = f'{{"text": "{TEXT}'.encode()
        kind = {"Content-Type": "application/json"}
        async with self.program.http.post("/api/v1/suggest", data=raw, headers=kind) as reply:
            assert reply.status == 400
        await self.owner.post("/admin/knowledge/new", data={"text": TEXT})
        try:
            int(f"sending to {BOT} with {HOOK}")
        except ValueError:
            logging.getLogger("bot.test").exception("an error with secrets in it")

    async def _open_pages(self) -> None:
        """What anybody, or a monitor, may read."""
        nobody = await self.house.nobody()
        for path in (
            "/health",
            "/ready",
            "/metrics",
            "/openapi.json",
            "/chat/config",
            "/sign-in",
            "/x",
        ):
            self.shown.append((await nobody.get(path))[1])
        # and what an admin sees of secrets after they were shown once
        for path in ("/admin/people", "/admin/people/tokens", "/admin/system", "/admin/channels",
                     "/admin/system/webhooks", "/admin/system/webhooks/1/edit"):  # fmt: skip
            status, text = await self.owner.get(path)
            assert status == 200, path
            self.shown.append(text.replace(self.owner.csrf, ""))  # forms carry their own token


async def test_no_canary_is_where_it_should_not_be(
    new_house, secret_settings, record_property
) -> None:
    written = io.StringIO()
    logs.configure(secret_settings, context=http.REQUEST_ID.get, stream=written)
    async with new_house(secret_settings) as house:
        days = Days(house)
        await days.all()
        settings = house.server.services.settings
        described = [
            repr(settings),
            str(settings),
            repr(house.server.services),
            repr(days.owner.agent),
        ]
        log, folder = written.getvalue(), settings.data_path
    log += written.getvalue()
    logged = [json.loads(line) for line in log.splitlines()]
    assert any("an error with secrets" in line["message"] for line in logged)
    assert len(days.secrets) >= 9
    for secret in days.secrets:
        assert secret not in log, secret
        assert not [text for text in days.shown if secret in text], secret
        assert not [text for text in described if secret in text], secret
        assert secret not in json.dumps(openapi_document())
    for word in (TEXT, NAME):
        assert word not in log
        assert not [text for text in described if word in text]
    # only what has to be read again is kept as it is
    kept = {path.name for path in folder.rglob("*") if path.is_file() and _mode(path) & 0o077}
    assert not kept, f"others may read {kept}"
    record_property(
        "figure",
        f"{len(days.secrets)} secrets and two texts of a customer: 0 in {len(logged)} lines of "
        f"log, {len(days.shown)} answers and {len(described)} representations",
    )


def _mode(path: Path) -> int:
    return path.stat().st_mode
