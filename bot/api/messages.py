"""Messages in, and suggestions for a text that is not stored."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from bot.access import Route
from bot.domain import CategoryGuess, Inbound, Reasons, Suggestions
from bot.errors import BadRequest
from bot.http import decode, json_response
from bot.services import SERVICES

CHANNEL = "rest"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=16_000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
ExternalId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
LanguageTag = Annotated[str, msgspec.Meta(max_length=16)]


class MessageCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wrote. ``id`` is the sender's own number of the customer."""

    id: ExternalId
    name: Name = ""
    language: LanguageTag = ""


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer's message. The same ``external_id`` twice is stored once."""

    external_id: ExternalId
    customer: MessageCustomer
    text: Text
    reply_to_external_id: ExternalId | None = None
    wants_person: bool = False
    metadata: dict[Name, Name] = msgspec.field(default_factory=dict)


class MessageReceipt(msgspec.Struct, frozen=True):
    """Proof that the message is stored. ``duplicate``: it was before."""

    message_id: str
    conversation_id: str
    duplicate: bool


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text to find answers for."""

    text: Text
    top_k: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = None
    language: LanguageTag = ""


class ApiSuggestion(msgspec.Struct, frozen=True):
    """One ranked answer. ``confidence`` is a probability of being right, 0..1; see ``sure``."""

    answer_id: int
    text: str
    title: str
    category: str
    language: str
    confidence: float
    sure: bool
    reasons: Reasons


class ApiSuggestions(msgspec.Struct, frozen=True):
    """What the models say. ``model_version`` null: none is trained yet, answers come by words."""

    categories: tuple[CategoryGuess, ...]
    suggestions: tuple[ApiSuggestion, ...]
    foreign: bool
    language: str
    model_version: str | None
    knowledge_revision: int
    elapsed_ms: float


async def receive_message(request: web.Request) -> web.Response:
    """Store, then answer: 201 for a new message, 200 for one that was known."""
    new = await decode(request, NewMessage)
    if not new.text.strip():
        raise BadRequest("The text is empty - at `$.text`.")
    if len(new.metadata) > 32:
        raise BadRequest("At most 32 entries - at `$.metadata`.")
    services = request.config_dict[SERVICES]
    receipt = await services.pipeline.receive(
        Inbound(
            channel=CHANNEL,
            external_id=new.external_id,
            customer_external_id=new.customer.id,
            text=new.text,
            received_at=services.clock(),
            customer_name=new.customer.name,
            language=new.customer.language,
            reply_to_external_id=new.reply_to_external_id,
            wants_person=new.wants_person,
            metadata=new.metadata,
        )
    )
    body = MessageReceipt(
        receipt.message_public_id, receipt.conversation_public_id, receipt.duplicate
    )
    return json_response(body, 200 if receipt.duplicate else 201)


async def suggest(request: web.Request) -> web.Response:
    """Answers for a text; nothing is stored."""
    question = await decode(request, Question)
    services = request.config_dict[SERVICES]
    top_k = question.top_k or services.settings.answers.top_k
    found = await services.pipeline.suggest(question.text, top_k, question.language)
    return json_response(shown(found))


def shown(found: Suggestions) -> ApiSuggestions:
    """Suggestions as the API gives them."""
    return ApiSuggestions(
        categories=found.categories,
        suggestions=tuple(
            ApiSuggestion(
                answer_id=item.answer_id,
                text=item.text,
                title=item.title,
                category=item.category,
                language=item.language,
                confidence=item.confidence,
                sure=item.sure,
                reasons=item.reasons,
            )
            for item in found.items
        ),
        foreign=found.foreign,
        language=found.language,
        model_version=found.model_version,
        knowledge_revision=found.knowledge_revision,
        elapsed_ms=found.elapsed_ms,
    )


ROUTES = (
    Route(
        "POST",
        "/api/v1/messages",
        receive_message,
        "token:messages:write",
        "Bring a customer's message in; idempotent by external_id.",
        NewMessage,
        MessageReceipt,
        status=201,
        again=200,
    ),
    Route(
        "POST",
        "/api/v1/suggest",
        suggest,
        "token:suggest",
        "Ranked answers and categories for a text; nothing is stored.",
        Question,
        ApiSuggestions,
    ),
)
