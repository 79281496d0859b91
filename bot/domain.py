"""The words of the product as frozen types, and nothing that acts.

Times are UTC epoch seconds (``float``). Integer ``id`` is the row, ``public_id`` (22 random
URL-safe characters) is what leaves the server for customers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec


class ConversationState(StrEnum):
    """Who may speak. Changes go through ``bot.handover.next_state`` alone."""

    BOT = "bot"  # the bot owns it: automatic replies allowed
    OPEN = "open"  # waits for a person
    TAKEN = "taken"  # a person answers; the bot is silent
    SNOOZED = "snoozed"  # a person put it aside until ``snoozed_until``
    CLOSED = "closed"  # solved; a new customer message reopens it


class Author(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"  # "a person will answer", away notice; never a suggestion's verdict


class MessageKind(StrEnum):
    """What a message carries."""

    TEXT = "text"
    PHOTO = "photo"
    DOCUMENT = "document"
    NOTE = "note"  # private, agents only
    UNSUPPORTED = "unsupported"  # sticker, voice, location...: named in ``text``


class Delivery(StrEnum):
    """Life of an outbox row."""

    HELD = "held"  # waits for the undo window to pass
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    READ = "read"
    UNCERTAIN = "uncertain"  # in flight at a crash: shown, never repeated by itself
    FAILED = "failed"
    CANCELLED = "cancelled"  # undone, or a person took over before the bot spoke


class Decision(StrEnum):
    """What the pipeline chose for a customer message."""

    ANSWER = "answer"
    SUGGEST = "suggest"
    HANDOFF = "handoff"


class Verdict(StrEnum):
    """What an agent did with a suggestion."""

    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"
    IGNORED = "ignored"  # shown, and the agent answered with other words


class Role(StrEnum):
    """Rights of a person; each role includes the ones before it."""

    AGENT = "agent"
    ADMIN = "admin"
    OWNER = "owner"


class Attachment(msgspec.Struct, frozen=True):
    """A file by reference: bytes stay with the channel (Telegram) or in the attachment folder."""

    name: str
    media_type: str
    size_bytes: int
    reference: str  # channel file id, or "blob:<sha256>" for a stored file


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message as a channel hands it over. ``external_id`` makes it idempotent per channel."""

    channel: str
    external_id: str
    customer_external_id: str
    text: str
    received_at: float
    kind: MessageKind = MessageKind.TEXT
    customer_name: str = ""
    language: str = ""  # what the channel says of the customer's language, may be empty
    attachment: Attachment | None = None
    reply_to_external_id: str | None = None
    edits_external_id: str | None = None  # set: this replaces the text of that message
    wants_person: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


class Receipt(msgspec.Struct, frozen=True):
    """Proof that an inbound message is committed."""

    message_id: int
    message_public_id: str
    conversation_id: int
    conversation_public_id: str
    duplicate: bool


class Customer(msgspec.Struct, frozen=True):
    """A person who asks."""

    id: int
    public_id: str
    channel: str
    external_id: str
    name: str
    language: str
    created_at: float
    blocked: bool = False


class Message(msgspec.Struct, frozen=True):
    """One line of a conversation."""

    id: int
    public_id: str
    conversation_id: int
    author: Author
    kind: MessageKind
    text: str
    created_at: float
    language: str = ""
    channel: str = ""
    external_id: str | None = None
    agent_id: int | None = None
    reply_to_id: int | None = None
    edited_at: float | None = None
    attachment: Attachment | None = None
    answer_id: int | None = None  # article a reply came from
    delivery: Delivery | None = None  # of outgoing messages
    delivery_error: str | None = None
    outbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One thread of one customer on one channel."""

    id: int
    public_id: str
    customer_id: int
    customer_name: str
    channel: str
    state: ConversationState
    language: str
    created_at: float
    last_message_at: float
    version: int  # compare-and-set: grows with each change of state, assignee or message
    assigned_agent_id: int | None = None
    assigned_agent_name: str | None = None
    category: str | None = None
    category_probability: float | None = None
    waiting_since: float | None = None  # first unanswered customer message
    snoozed_until: float | None = None
    last_text: str = ""
    unread: int = 0
    uncertain: int = 0  # deliveries that need a person's eye


class CategoryGuess(msgspec.Struct, frozen=True):
    """One category with its calibrated probability, 0..1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why an answer was suggested; every field may be empty."""

    matched_question: str | None = None  # nearest past question of this answer
    shared_terms: tuple[
        str, ...
    ] = ()  # words of the question that the answer or its questions hold
    category: str | None = None
    category_matches: bool = False
    accepted: int = 0  # how often agents accepted it
    shown: int = 0  # how often it got a verdict
    other_language: bool = False  # the article exists only in another language than the question


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One ranked answer. ``confidence`` is a calibrated probability of being right, 0..1."""

    answer_id: int
    text: str
    title: str
    category: str
    language: str
    confidence: float
    sure: bool  # False: below the abstention threshold, shown as "not sure" without a percent
    reasons: Reasons


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Everything the models say of one message."""

    categories: tuple[CategoryGuess, ...]
    items: tuple[Suggestion, ...]
    foreign: bool  # probably not a question for this desk
    language: str
    model_version: str | None  # None: cold start, lexical search alone
    knowledge_revision: int
    cold: bool
    elapsed_ms: float


class Article(msgspec.Struct, frozen=True):
    """A knowledge-base answer with the questions that lead to it."""

    id: int
    title: str
    text: str
    category: str
    language: str
    questions: tuple[str, ...]
    created_at: float
    updated_at: float
    twin_id: int | None = None  # the same article in the other language
    removed_at: float | None = None
    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    shown: int = 0


class Category(msgspec.Struct, frozen=True):
    """A route. Automatic reply is off until the admin switches it on, per category."""

    name: str
    articles: int = 0
    auto_reply: bool = False
    auto_threshold: float = 0.9


class Agent(msgspec.Struct, frozen=True):
    """A person who works here."""

    id: int
    login: str
    name: str
    role: Role
    language: str
    created_at: float
    disabled_at: float | None = None
    preferences: Mapping[str, Any] = msgspec.field(default_factory=dict)


class VerdictRecord(msgspec.Struct, frozen=True):
    """One agent's word on one shown suggestion."""

    message_id: int
    answer_id: int
    rank: int
    verdict: Verdict
    agent_id: int | None
    created_at: float
    confidence: float
    model_version: str | None
    edit_distance: int = 0
    reason: str = ""


class OutboxRow(msgspec.Struct, frozen=True):
    """One message on its way out."""

    id: int
    message_id: int
    conversation_id: int
    conversation_public_id: str
    channel: str
    recipient: str  # the customer's external id on that channel
    text: str
    author: Author
    attempts: int
    state: Delivery
    kind: MessageKind = MessageKind.TEXT
    attachment: Attachment | None = None
    reply_to_external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """An imported past question with what is known of its answer; a training row."""

    text: str
    category: str
    answer_id: int | None = None
    operator_answer: str = ""
    language: str = ""
    origin: str = "import"


@dataclass(frozen=True, slots=True)
class Event:
    """News for the desks, the panel and the widgets. ``topic`` is e.g. ``conversation:17``."""

    id: int
    topic: str
    name: str
    data: Mapping[str, Any]


class Page(msgspec.Struct, frozen=True):
    """A slice of a longer list."""

    items: Sequence[Any]
    total: int
    page: int
    per_page: int

    @property
    def pages(self) -> int:
        """Number of pages, at least 1."""
        return max(1, -(-self.total // self.per_page))
