"""What the chat widget calls: writing, reading, live news, marks and ratings.

A visitor is whoever holds a token of 256 random bits; the customer's external id is a digest of it,
so the server stores nothing that could open somebody's talk.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from aiohttp import web
from aiohttp_sse import sse_response

from bot.catalogue import Catalogue
from bot.domain import Author, Conversation, Customer, Delivery, Inbound, Message, MessageKind
from bot.errors import BadRequest, NeurobotError, NotFound, NotSignedIn
from bot.event import Subject
from bot.http import decode, json_response, query
from bot.replies import away_text, may_send
from bot.services import SERVICES, Services
from bot.streams import STREAMS

NAME = "web"
MAX_CHARACTERS = 4_000
_HISTORY = 200
_PING_S = 20.0
_SHOWN = frozenset({None, Delivery.SENT, Delivery.READ})
_OFFER_MIN_CHARACTERS = 8

Token = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHARACTERS)]


class VisitorMessage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a visitor; ``id`` is the widget's own and makes it idempotent."""

    id: ClientId
    text: Text
    language: Annotated[str, msgspec.Meta(max_length=8)] = ""
    name: Annotated[str, msgspec.Meta(max_length=80)] = ""
    page: Annotated[str, msgspec.Meta(max_length=500)] = ""
    wants_person: bool = False
    visitor: Subject = ""  # whom the site's events call so


class VisitorAck(msgspec.Struct, forbid_unknown_fields=True):
    """Messages that reached the visitor's eyes."""

    conversation: str
    messages: Annotated[list[str], msgspec.Meta(max_length=_HISTORY)]


class VisitorTyping(msgspec.Struct, forbid_unknown_fields=True):
    """The visitor writes; ``text`` asks for answers that may already help."""

    conversation: str = ""
    text: Annotated[str, msgspec.Meta(max_length=MAX_CHARACTERS)] = ""
    language: Annotated[str, msgspec.Meta(max_length=8)] = ""


class VisitorRating(msgspec.Struct, forbid_unknown_fields=True):
    """What the visitor thinks of the help, 1 to 5."""

    conversation: str
    score: Annotated[int, msgspec.Meta(ge=1, le=5)]


class StreamQuery(msgspec.Struct):
    """Which conversation to follow."""

    conversation: str


class LanguageQuery(msgspec.Struct):
    """Which language to speak."""

    lang: str = ""


def visitor_id(token: str) -> str:
    """External id of the visitor who holds ``token``."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def visitor_of(request: web.Request) -> str:
    """External id of the visitor who asks.

    Raises:
        NotSignedIn: there is no token, or none that could be one.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        msgspec.convert(token, Token)
    except msgspec.ValidationError:
        token = ""
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn(
            "The visitor's token is missing.", remedy="POST /chat/visitors gives one."
        )
    return visitor_id(token)


async def _conversation(request: web.Request, public_id: str) -> tuple[Conversation, Customer]:
    """The visitor's own conversation.

    Raises:
        NotFound: there is none, or it is somebody else's: the answer is the same.
    """
    conversations = request.config_dict[SERVICES].store.conversations
    visitor = visitor_of(request)
    conversation = await conversations.by_public_id(public_id)
    customer = await conversations.customer(conversation.customer_id)
    if customer.channel != NAME or customer.external_id != visitor:
        raise NotFound
    return conversation, customer


def _language(services: Services, wanted: str) -> str:
    return wanted[:2].lower() if wanted[:2].lower() in {"ru", "en"} else services.settings.language


async def get_config(request: web.Request) -> web.Response:
    """Texts in the visitor's language, quick questions, whether people are away."""
    services = request.config_dict[SERVICES]
    settings = services.settings
    language = _language(services, query(request, LanguageQuery).lang)
    catalogue = Catalogue.load()
    return json_response(
        {
            "language": language,
            "title": settings.widget.title or settings.company,
            "quick_questions": settings.widget.quick_questions[:3],
            "away": away_text(settings, catalogue, language, services.clock()) or "",
            "texts": catalogue.section("widget", language),
        }
    )


async def create_visitor(_: web.Request) -> web.Response:
    """A token of 256 random bits; nothing is stored until the visitor writes."""
    return json_response({"token": secrets.token_urlsafe(32)}, status=201)


async def post_message(request: web.Request) -> web.Response:
    """Stores a message; 201 the first time, 200 with the same body when it is sent again."""
    services = request.config_dict[SERVICES]
    visitor = visitor_of(request)
    body = await decode(request, VisitorMessage)
    if not body.text.strip():
        raise BadRequest("The message is empty.", remedy="Write something.")
    receipt = await services.pipeline.receive(
        Inbound(
            channel=NAME,
            external_id=f"{visitor}:{body.id}",
            customer_external_id=visitor,
            customer_name=body.name,
            text=body.text,
            received_at=services.clock(),
            language=_language(services, body.language) if body.language else "",
            wants_person=body.wants_person,
            metadata={"page": body.page} if body.page else {},
        )
    )
    if body.visitor:
        with suppress(NeurobotError):  # the message is stored; the tie comes with the next one
            await services.intake.tie_chat(visitor, body.visitor)
    reply = {
        "id": receipt.message_public_id,
        "conversation": receipt.conversation_public_id,
        "duplicate": receipt.duplicate,
    }
    return json_response(reply, status=200 if receipt.duplicate else 201)


async def get_history(request: web.Request) -> web.Response:
    """All visible messages of the conversation, oldest first."""
    conversation, _ = await _conversation(request, query(request, StreamQuery).conversation)
    return json_response(await _history(request, conversation.id))


async def _history(request: web.Request, conversation_id: int) -> dict[str, Any]:
    conversations = request.config_dict[SERVICES].store.conversations
    current = await conversations.get(conversation_id)
    messages = await conversations.messages(conversation_id, limit=_HISTORY)
    return {
        "state": current.state,
        "agent": current.assigned_agent_name or "",
        "messages": [_shown(message) for message in messages if _visible(message)],
    }


def _visible(message: Message) -> bool:
    return message.kind is not MessageKind.NOTE and message.delivery in _SHOWN


def _shown(message: Message) -> dict[str, Any]:
    mine = message.author is Author.CUSTOMER
    return {
        "id": message.public_id,
        "client_id": (message.external_id or "").partition(":")[2] if mine else "",
        "author": message.author,
        "text": message.text,
        "at": message.created_at,
        "file": message.attachment.name if message.attachment else "",
    }


async def get_events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: ``history`` at once and after each change, ``typing`` in between.

    The whole visible history is small (at most 200 rows) and is merged by id, so a stream that
    broke anywhere resumes without loss and without repeats.
    """
    services, streams = request.config_dict[SERVICES], request.config_dict[STREAMS]
    conversation_id, topics = await _followed(request)
    with streams.follow(request, services.bus.subscribe(topics)) as news:
        async with sse_response(request, ping_interval=_PING_S) as stream:
            last = await _send_history(request, stream, conversation_id, "")
            async for event in news:
                if not stream.is_connected():
                    break
                if event.name == "typing":
                    await stream.send("{}", event="typing")
                    continue
                last = await _send_history(request, stream, conversation_id, last)
            return stream


async def _followed(request: web.Request) -> tuple[int, set[str]]:
    """What a stream needs for hours of its conversation, which is much less than the whole."""
    conversation, customer = await _conversation(request, query(request, StreamQuery).conversation)
    topics = {f"conversation:{conversation.public_id}", f"visitor:{customer.external_id}"}
    return conversation.id, topics


async def _send_history(request: web.Request, stream: Any, conversation_id: int, last: str) -> str:
    data = json.dumps(await _history(request, conversation_id), ensure_ascii=False)
    if data != last:
        await stream.send(data, event="history")
    return data


async def post_read(request: web.Request) -> web.Response:
    """Marks all up to the newest of these messages as read; unknown ids are left out."""
    services = request.config_dict[SERVICES]
    body = await decode(request, VisitorAck)
    conversation, _ = await _conversation(request, body.conversation)
    wanted = set(body.messages)
    messages = await services.store.conversations.messages(conversation.id, limit=_HISTORY)
    seen = [message.id for message in messages if message.public_id in wanted and _visible(message)]
    if seen and await services.store.outbox.mark_seen(conversation.id, max(seen)):
        services.bus.publish("desk", "delivery.changed", {"conversation_id": conversation.id})
    return web.Response(status=204)


async def post_typing(request: web.Request) -> web.Response:
    """Shows the typing to the desk; offers answers only where automatic replies are on.

    An offered answer passes the same rule as one that the bot would send.
    """
    services = request.config_dict[SERVICES]
    visitor_of(request)
    body = await decode(request, VisitorTyping)
    if body.conversation:
        conversation, _ = await _conversation(request, body.conversation)
        services.bus.publish("desk", "customer.typing", {"conversation_id": conversation.id})
    offers: list[dict[str, str]] = []
    if len(body.text.strip()) >= _OFFER_MIN_CHARACTERS:
        automatic = {
            c.name: c.auto_threshold
            for c in await services.store.knowledge.categories()
            if c.auto_reply
        }
        if automatic:
            found = await services.pipeline.suggest(
                body.text, 3, language=_language(services, body.language)
            )
            offers = [
                {"title": item.title or item.text[:80], "text": item.text}
                for item in found.items
                if not found.foreign and may_send(item, found.language, automatic)
            ]
    return json_response({"offers": offers})


async def post_rating(request: web.Request) -> web.Response:
    """Keeps the visitor's rating as a private note, where the agent sees it."""
    services = request.config_dict[SERVICES]
    body = await decode(request, VisitorRating)
    conversation, _ = await _conversation(request, body.conversation)
    text = Catalogue.load().text("widget.rated", services.settings.language, score=body.score)
    await services.store.conversations.add_note(conversation.id, None, text)
    services.bus.publish("desk", "message.new", {"conversation_id": conversation.id})
    return web.Response(status=204)
