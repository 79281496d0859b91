"""What a person did with a suggestion, told by another program."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from bot.access import Route
from bot.domain import Message, Verdict, VerdictRecord
from bot.errors import NotFound
from bot.http import decode, json_response
from bot.services import SERVICES, Services

_SEARCHED_MESSAGES = 2_000
PublicId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class NewVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One word on one shown suggestion of a customer's message."""

    conversation_id: PublicId
    message_id: PublicId
    answer_id: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    verdict: Verdict
    edit_distance: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class VerdictStored(msgspec.Struct, frozen=True):
    """The verdict is stored; it teaches with the next training."""

    rank: int
    confidence: float
    model_version: str | None


async def give_verdict(request: web.Request) -> web.Response:
    """Store a verdict on an answer that was suggested for this message."""
    new = await decode(request, NewVerdict)
    services = request.config_dict[SERVICES]
    message = await _message(services, new)
    found = await services.store.conversations.suggestions(message.id)
    items = found[0].items if found else ()
    for rank, item in enumerate(items, 1):
        if item.answer_id == new.answer_id:
            record = VerdictRecord(
                message_id=message.id,
                answer_id=new.answer_id,
                rank=rank,
                verdict=new.verdict,
                agent_id=None,
                created_at=services.clock(),
                confidence=item.confidence,
                model_version=found[0].model_version if found else None,
                edit_distance=new.edit_distance,
                reason=new.reason,
            )
            await services.store.feedback.record((record,))
            stored = VerdictStored(rank, item.confidence, record.model_version)
            return json_response(stored, 201)
    raise NotFound("This answer was not suggested for this message.")


async def _message(services: Services, new: NewVerdict) -> Message:
    conversations = services.store.conversations
    conversation = await conversations.by_public_id(new.conversation_id)
    for message in await conversations.messages(conversation.id, limit=_SEARCHED_MESSAGES):
        if message.public_id == new.message_id:
            return message
    raise NotFound("This conversation holds no such message.")


ROUTES = (
    Route(
        "POST",
        "/api/v1/verdicts",
        give_verdict,
        "token:verdicts:write",
        "Say what became of a suggestion: accepted, edited, rejected or ignored.",
        NewVerdict,
        VerdictStored,
        status=201,
    ),
)
