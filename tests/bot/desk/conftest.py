"""A running server with two agents and a customer's question, for the desk's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.app import running
from bot.domain import (
    Agent,
    CategoryGuess,
    Decision,
    Inbound,
    Reasons,
    Role,
    Suggestion,
    Suggestions,
)
from bot.handover import Action
from bot.services import Services
from bot.settings import AnswerSettings, HttpSettings, Settings, TelegramSettings

ANSWERS = (
    "Open Settings and press Seats.",
    "Invoices are issued monthly.",
    "Refunds take ten days.",
)


def suggestions(language: str = "en", **changes: Any) -> Suggestions:
    """Three suggestions: a sure one, a fair one, one below the threshold."""
    items = tuple(
        Suggestion(
            answer_id=100 + i,
            text=text,
            title=f"Title {i}",
            category="Billing",
            language="en",
            confidence=confidence,
            sure=confidence > 0.3,
            reasons=Reasons("How do I add a seat?", ("add", "seat"), "Billing", True, 14, 15, False)
            if i == 0
            else Reasons(other_language=i == 2),
        )
        for i, (text, confidence) in enumerate(zip(ANSWERS, (0.914, 0.342, 0.12), strict=True))
    )
    known = {
        "categories": (CategoryGuess("Billing", 0.92),), "items": items, "foreign": False,
        "language": language,
        "model_version": "v1", "knowledge_revision": 1, "cold": False, "elapsed_ms": 1.0,
    }  # fmt: skip
    return Suggestions(**{**known, **changes})


class Person:
    """An agent with a browser."""

    def __init__(self, agent: Agent, token: str, csrf: str, url: str) -> None:
        self.agent = agent
        self.csrf = csrf
        self.http = aiohttp.ClientSession(url, cookies={"neurobot": token, "lang": "en"})

    async def get(self, path: str, status: int = 200) -> str:
        async with self.http.get(path) as response:
            assert response.status == status, await response.text()
            return await response.text()

    async def post(self, path: str, body: Any = None, status: int | None = None) -> Any:
        headers = {"X-CSRF-Token": self.csrf}
        sent = (
            {"data": body}
            if isinstance(body, aiohttp.FormData)
            else {"json": body if body is not None else {}}
        )
        async with self.http.post(path, headers=headers, **sent) as response:
            text = await response.text()
            assert response.status == status or (status is None and response.status < 300), text
            return await response.json(content_type=None) if text else None


@dataclass
class Desk:
    """The server, two agents, and a conversation in which a customer waits."""

    services: Services
    url: str
    ann: Person
    bob: Person
    public_id: str
    conversation_id: int
    question_id: int

    @property
    def talk(self) -> str:
        return f"/desk/conversations/{self.public_id}"

    async def ask(
        self, text: str, customer: str = "c1", channel: str = "web", **found: Any
    ) -> tuple[str, int, int]:
        """Another question with suggestions: public id, conversation id, message id."""
        conversations = self.services.store.conversations
        external = f"{customer}-{text}"
        inbound = Inbound(
            channel,
            external,
            customer,
            text,
            self.services.clock(),
            customer_name="Tom <b>",
            language="en",
        )
        receipt = (await conversations.receive([inbound]))[0]
        await conversations.save_suggestions(
            receipt.message_id, suggestions(**found), Decision.HANDOFF
        )
        conversation = await conversations.get(receipt.conversation_id)
        if conversation.state == "bot":
            await conversations.act(receipt.conversation_id, Action.PERSON_WANTED)
        return receipt.conversation_public_id, receipt.conversation_id, receipt.message_id


@pytest.fixture
def undo_s() -> float:
    """Seconds in which a reply can be taken back."""
    return 30.0


@pytest.fixture
def telegram_section() -> TelegramSettings:
    """Settings of the Telegram channel; off unless a test has a server for it."""
    return TelegramSettings()


@pytest.fixture
async def desk(
    tmp_path: Path, undo_s: float, telegram_section: TelegramSettings
) -> AsyncIterator[Desk]:
    settings = Settings(
        data_dir=str(tmp_path),
        http=HttpSettings(port=0, requests_per_minute=100_000, max_upload_bytes=4096),
        answers=AnswerSettings(undo_s=undo_s),
        telegram=telegram_section,
    )
    async with running(settings) as server:
        people = server.services.store.people
        persons = []
        for login, role in (("ann", Role.AGENT), ("bob", Role.AGENT)):
            agent = await people.create_agent(login, login.title(), role, "en")
            token = await people.create_session(agent.id, 3600.0)
            found = await people.session(token)
            assert found is not None
            persons.append(Person(agent, token, found[1].csrf_token, server.url))
        made = Desk(server.services, server.url, *persons, "", 0, 0)
        made.public_id, made.conversation_id, made.question_id = await made.ask(
            "How do I add a seat?"
        )
        try:
            yield made
        finally:
            for person in persons:
                await person.http.close()
