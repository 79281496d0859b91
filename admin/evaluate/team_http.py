"""The team's side of the wire: customers, agents and the admin as the server's clients."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from bot.domain import Role
from bot.errors import NeurobotError
from bot.services import Services

_SCOPES: Final = ("messages:write", "conversations:read", "suggest", "admin")
_PATIENCE_S: Final = 30.0
_POLL_S: Final = 0.005
_JOB_POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Waiting:
    """A customer's question as an agent sees it."""

    conversation: str
    message_id: int
    answer_ids: tuple[int, ...]
    texts: tuple[str, ...]


@asynccontextmanager
async def opened(services: Services, url: str, agents: int) -> AsyncIterator[TeamHttp]:
    """A team that is signed in: an API token and a session for each agent."""
    async with AsyncExitStack() as stack:
        _, token = await services.store.people.create_token("team", _SCOPES)
        api = await stack.enter_async_context(
            aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"})
        )
        desks = []
        for place in range(agents):
            name = f"agent-{place + 1}"
            agent = await services.store.people.create_agent(name, name, Role.AGENT, "en")
            desks.append(await stack.enter_async_context(await _signed_in(services, url, agent.id)))
        yield TeamHttp(services, api, desks)


async def _signed_in(services: Services, url: str, agent_id: int) -> aiohttp.ClientSession:
    token = await services.store.people.create_session(agent_id)
    found = await services.store.people.session(token)
    if found is None:
        raise NeurobotError("A session ended as it began.")
    return aiohttp.ClientSession(
        url,
        cookies={"neurobot": token},
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        headers={"X-CSRF-Token": found[1].csrf_token},
    )


class TeamHttp:
    """Asks, answers and trains over HTTP."""

    def __init__(
        self,
        services: Services,
        api: aiohttp.ClientSession,
        desks: Sequence[aiohttp.ClientSession],
    ) -> None:
        self._services = services
        self._api = api
        self._desks = desks

    async def ask(self, text: str) -> Waiting:
        """Write as a new customer and wait for the suggestions that agents see."""
        body = {
            "text": text,
            "external_id": secrets.token_hex(8),
            "customer": {"id": secrets.token_hex(8)},
        }
        receipt = await self._call(self._api, "POST", "/api/v1/messages", body)
        conversations = self._services.store.conversations
        talk = await conversations.by_public_id(receipt["conversation_id"])
        message = (await conversations.messages(talk.id))[0]
        waited = 0.0
        while (found := await conversations.suggestions(message.id)) is None:
            if waited > _PATIENCE_S:
                raise NeurobotError("The server suggested nothing for a question.")
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S
        items = found[0].items
        return Waiting(
            talk.public_id,
            message.id,
            tuple(item.answer_id for item in items),
            tuple(item.text for item in items),
        )

    async def reply(self, agent: int, question: Waiting, chosen: int | None) -> None:
        """Answer with a suggestion (None: with words of one's own) and close the conversation."""
        text = "Thank you for waiting, this is how it is done."
        if chosen is not None:
            text = question.texts[question.answer_ids.index(chosen)]
        body = {
            "text": text[:4000],
            "key": secrets.token_hex(8),
            "seen": question.message_id,
            "question": question.message_id,
            "answer": chosen,
            "close": True,
        }
        place = f"/desk/conversations/{question.conversation}/reply"
        await self._call(self._desks[agent], "POST", place, body)

    async def suggest(self, text: str, top: int) -> tuple[list[int], str | None]:
        """Ranked answers to a text that is not stored, and the model that ranked them."""
        found = await self._call(self._api, "POST", "/api/v1/suggest", {"text": text, "top_k": top})
        return [item["answer_id"] for item in found["suggestions"]], found["model_version"]

    async def train(self, tell: Callable[[str], None]) -> dict[str, Any]:
        """Retrain everything and wait; gives the job as it ended."""
        job = await self._call(self._api, "POST", "/api/v1/jobs", {"kind": "train"})
        while job["finished_at"] is None:
            await asyncio.sleep(_JOB_POLL_S)
            job = await self._call(self._api, "GET", f"/api/v1/jobs/{job['id']}")
            tell(job["stage"])
        return job

    async def _call(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Any = None
    ) -> dict[str, Any]:
        async with session.request(method, path, json=body) as response:
            if response.status >= 400:
                raise NeurobotError(f"{method} {path}: {response.status} {await response.text()}")
            found: dict[str, Any] = await response.json()
            return found
