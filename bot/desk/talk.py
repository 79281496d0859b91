"""One conversation as the desk shows it, gathered from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bot.desk.interests import CustomerInterests, interests_of
from bot.desk.presence import Presence
from bot.desk.reasons import Piece, Translate, pieces
from bot.domain import (
    Agent,
    Author,
    CategoryGuess,
    Conversation,
    Customer,
    Delivery,
    Message,
    MessageKind,
    Suggestions,
    Verdict,
)
from bot.event import customer_of
from bot.services import Services
from bot.ui.counters import reasons_in_words
from bot.ui.formats import Formats

_SHOWN_MESSAGES = 200
_JOINED_S = 180.0
_FRESH_QUESTION_S = 15.0
_SHOWN_PREVIOUS = 6
_SHOWN_CATEGORIES = 3


class Line(msgspec.Struct, frozen=True):
    """A message with what its neighbours decide."""

    message: Message
    name: str
    new_day: bool
    joined: bool  # same hand as the line above
    question: bool  # the message that waits for an answer
    quote: str


class ShownFlag(msgspec.Struct, frozen=True):
    """What is foretold of the customer, with the counters that say so, in words."""

    target: str
    probability: float
    reasons: Sequence[str]


class Talk(msgspec.Struct, frozen=True):
    """Everything the middle and the right column show."""

    conversation: Conversation
    customer: Customer
    lines: Sequence[Line]
    shortened: bool
    question: Message | None
    question_fresh: bool  # suggestions may still be on their way
    suggestions: Suggestions | None
    reasons: Sequence[Sequence[Piece]]
    rejected: frozenset[int]
    categories: Sequence[CategoryGuess]
    previous: Sequence[Conversation]
    interests: CustomerInterests
    agents: Sequence[Agent]
    readers: Sequence[str]
    draft: str
    flags: Sequence[ShownFlag]

    @property
    def name(self) -> str:
        """The customer's name, may be empty."""
        return self.customer.name or self.conversation.customer_name


async def gather(
    services: Services,
    presence: Presence,
    conversation: Conversation,
    *,
    agent: Agent,
    t: Translate,
    formats: Formats,
) -> Talk:
    """The conversation for ``agent``."""
    store = services.store
    now = services.clock()
    messages = await store.conversations.messages(conversation.id, limit=_SHOWN_MESSAGES)
    agents = await store.people.agents()
    question = waiting_question(messages)
    source, found = await _suggestions(services, messages, question)
    shown = lines(
        messages,
        {one.id: one.name for one in agents},
        agent=agent,
        question=question,
        t=t,
        formats=formats,
    )
    verdicts = await store.feedback.of_message(source.id) if source else []
    customer = await store.conversations.customer(conversation.customer_id)
    return Talk(
        conversation=conversation,
        customer=customer,
        lines=shown,
        shortened=len(messages) == _SHOWN_MESSAGES,
        question=source or question,
        question_fresh=question is not None and now - question.created_at < _FRESH_QUESTION_S,
        suggestions=found,
        reasons=[pieces(item, t) for item in found.items] if found else [],
        rejected=frozenset(v.answer_id for v in verdicts if v.verdict is Verdict.REJECTED),
        categories=found.categories[:_SHOWN_CATEGORIES] if found else (),
        previous=(await store.conversations.previous(conversation.customer_id, conversation.id))[
            :_SHOWN_PREVIOUS
        ],
        interests=await interests_of(services, customer),
        agents=[one for one in agents if one.disabled_at is None],
        readers=presence.others(conversation.id, agent.id, now),
        draft=await store.conversations.load_draft(conversation.id, agent.id),
        flags=await _flags(services, customer, t, formats),
    )


async def _flags(
    services: Services, customer: Customer, t: Translate, formats: Formats
) -> list[ShownFlag]:
    name = customer_of(customer.channel, customer.external_id)
    return [
        ShownFlag(flag.target, flag.probability, reasons_in_words(flag.reasons, t, formats))
        for flag in await services.store.flags.of_customer(name)
    ]


def waiting_question(messages: Sequence[Message]) -> Message | None:
    """The customer's last message when nobody has answered it yet."""
    for message in reversed(messages):
        if is_answer(message):
            return None
        if message.author is Author.CUSTOMER:
            return message
    return None


def is_answer(message: Message) -> bool:
    """True for a reply of a person or the bot that was not taken back."""
    return (
        message.author in {Author.AGENT, Author.BOT}
        and message.kind is not MessageKind.NOTE
        and message.delivery is not Delivery.CANCELLED
    )


async def _suggestions(
    services: Services, messages: Sequence[Message], question: Message | None
) -> tuple[Message | None, Suggestions | None]:
    """Those of the newest unanswered message that has some, e.g. the text before a picture."""
    if question is None:
        return None, None
    for message in reversed(messages):
        if is_answer(message):
            break
        if message.author is Author.CUSTOMER:
            stored = await services.store.conversations.suggestions(message.id)
            if stored is not None and (stored[0].items or message is question):
                return message, stored[0]
    return None, None


def lines(
    messages: Sequence[Message],
    names: Mapping[int, str],
    *,
    agent: Agent,
    question: Message | None,
    t: Translate,
    formats: Formats,
) -> list[Line]:
    """Messages with day lines, joined runs and quotes, without replies that were taken back."""
    by_id = {message.id: message for message in messages}
    shown: list[Line] = []
    before: Message | None = None
    asked: Message | None = None
    for message in messages:
        if message.delivery is Delivery.CANCELLED:
            continue
        new_day = before is None or formats.day_distance(before.created_at, message.created_at) != 0
        replied = by_id.get(message.reply_to_id or 0)
        shown.append(
            Line(
                message=message,
                name=_name(message, names, agent, t),
                new_day=new_day,
                joined=not new_day and before is not None and _same_hand(before, message),
                question=message is question,
                quote=replied.text if replied and replied is not asked else "",
            )
        )
        before = message
        asked = message if message.author is Author.CUSTOMER else asked
    return shown


def _name(message: Message, names: Mapping[int, str], agent: Agent, t: Translate) -> str:
    if message.author is Author.BOT:
        return t("desk.author.bot")
    if message.author is not Author.AGENT:
        return ""
    if message.agent_id is None:
        return "" if message.kind is MessageKind.NOTE else t("desk.channel.rest")
    if message.agent_id == agent.id and message.kind is not MessageKind.NOTE:
        return ""
    return names.get(message.agent_id, "")


def _same_hand(before: Message, message: Message) -> bool:
    return (before.author, before.agent_id, before.kind is MessageKind.NOTE) == (
        message.author,
        message.agent_id,
        message.kind is MessageKind.NOTE,
    ) and message.created_at - before.created_at < _JOINED_S
