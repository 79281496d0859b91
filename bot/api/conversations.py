"""Conversations for other programs: list, read with suggestions, reply."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from bot.access import Route
from bot.api.messages import ApiSuggestions, shown
from bot.domain import Author, Conversation, ConversationState, Message, MessageKind
from bot.errors import BadRequest, Conflict, NotFound
from bot.http import decode, json_response, query
from bot.services import SERVICES, Services
from bot.store.records import Reply

_SHOWN_MESSAGES = 200


class ConversationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which conversations: a view of the desk, or those that hold the words of ``query``."""

    view: Literal["unassigned", "all", "snoozed", "closed", "uncertain"] = "all"
    query: Annotated[str, msgspec.Meta(max_length=500)] = ""
    page: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    per_page: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class ConversationQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``after``: the id of a message; only later ones are given. Made for polling."""

    after: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ApiConversation(msgspec.Struct, frozen=True):
    """One thread. Times are UTC epoch seconds."""

    id: str
    customer_name: str
    channel: str
    state: ConversationState
    language: str
    created_at: float
    last_message_at: float
    version: int
    assigned_to: str | None
    category: str | None
    category_probability: float | None
    waiting_since: float | None
    last_text: str


class ApiMessage(msgspec.Struct, frozen=True):
    """One line of a conversation; ``suggestions`` belong to a customer's message."""

    id: str
    author: Author
    kind: MessageKind
    text: str
    created_at: float
    external_id: str | None
    answer_id: int | None
    delivery: str | None
    suggestions: ApiSuggestions | None = None


class ConversationPage(msgspec.Struct, frozen=True):
    """A slice of the list."""

    items: tuple[ApiConversation, ...]
    total: int
    page: int
    per_page: int


class FullConversation(msgspec.Struct, frozen=True):
    """A conversation with its latest messages, oldest first."""

    conversation: ApiConversation
    messages: tuple[ApiMessage, ...]


class NewReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's reply. The same ``idempotency_key`` twice is sent once."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=16_000)]
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    answer_id: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    expected_version: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    close: bool = False


async def list_conversations(request: web.Request) -> web.Response:
    """A page of conversations."""
    asked = query(request, ConversationsQuery)
    page = await request.config_dict[SERVICES].store.conversations.queue(
        asked.view, None, page=asked.page, per_page=asked.per_page, query=asked.query
    )
    items = tuple(_conversation(item) for item in page.items)
    return json_response(ConversationPage(items, page.total, page.page, page.per_page))


async def get_conversation(request: web.Request) -> web.Response:
    """One conversation; private notes stay with the agents."""
    services = request.config_dict[SERVICES]
    after = query(request, ConversationQuery).after
    conversation = await _named(request, services)
    messages = await services.store.conversations.messages(conversation.id, limit=_SHOWN_MESSAGES)
    seen = next((m.id for m in messages if m.public_id == after), 0)
    visible = [m for m in messages if m.id > seen and m.kind is not MessageKind.NOTE]
    lines = tuple([await _message(services, message) for message in visible])
    return json_response(FullConversation(_conversation(conversation), lines))


async def reply(request: web.Request) -> web.Response:
    """Store a reply and send it."""
    new = await decode(request, NewReply)
    if not new.text.strip():
        raise BadRequest("The text is empty - at `$.text`.")
    services = request.config_dict[SERVICES]
    conversation = await _named(request, services)
    if new.expected_version not in (None, conversation.version):
        raise Conflict(remedy="Read the conversation again.")
    if new.answer_id is not None:
        await services.store.knowledge.article(new.answer_id)
    message = await services.store.conversations.reply(
        conversation.id,
        Reply(
            text=new.text,
            author=Author.AGENT,
            answer_id=new.answer_id,
            idempotency_key=f"rest:{conversation.id}:{new.idempotency_key}",
            close=new.close,
        ),
    )
    services.delivery.wake()
    _announce(services, await services.store.conversations.get(conversation.id))
    return json_response(await _message(services, message), 201)


async def _named(request: web.Request, services: Services) -> Conversation:
    name = request.match_info["id"]
    if not name.isascii() or len(name) > 64:
        raise NotFound
    return await services.store.conversations.by_public_id(name)


def _announce(services: Services, conversation: Conversation) -> None:
    data = {
        "conversation_id": conversation.id,
        "conversation": conversation.public_id,
        "state": str(conversation.state),
        "version": conversation.version,
    }
    services.bus.publish("desk", "conversation.changed", data)
    services.bus.publish(f"conversation:{conversation.public_id}", "state", data)


def _conversation(row: Conversation) -> ApiConversation:
    return ApiConversation(
        id=row.public_id,
        customer_name=row.customer_name,
        channel=row.channel,
        state=row.state,
        language=row.language,
        created_at=row.created_at,
        last_message_at=row.last_message_at,
        version=row.version,
        assigned_to=row.assigned_agent_name,
        category=row.category,
        category_probability=row.category_probability,
        waiting_since=row.waiting_since,
        last_text=row.last_text,
    )


async def _message(services: Services, row: Message) -> ApiMessage:
    found = None
    if row.author is Author.CUSTOMER:
        found = await services.store.conversations.suggestions(row.id)
    return ApiMessage(
        id=row.public_id,
        author=row.author,
        kind=row.kind,
        text=row.text,
        created_at=row.created_at,
        external_id=row.external_id,
        answer_id=row.answer_id,
        delivery=row.delivery.value if row.delivery else None,
        suggestions=shown(found[0]) if found else None,
    )


ROUTES = (
    Route(
        "GET",
        "/api/v1/conversations",
        list_conversations,
        "token:conversations:read",
        "List conversations.",
        query=ConversationsQuery,
        reply=ConversationPage,
    ),
    Route(
        "GET",
        "/api/v1/conversations/{id}",
        get_conversation,
        "token:conversations:read",
        "A conversation with its latest 200 messages, suggestions and deliveries.",
        query=ConversationQuery,
        reply=FullConversation,
    ),
    Route(
        "POST",
        "/api/v1/conversations/{id}/replies",
        reply,
        "token:messages:write",
        "Reply to the customer as a person; idempotent by idempotency_key.",
        NewReply,
        ApiMessage,
        status=201,
    ),
)
