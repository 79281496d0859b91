"""What an agent does with a conversation beside answering, against the version they saw."""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from bot import ui
from bot.access import AGENT
from bot.desk.presence import Presence
from bot.domain import Conversation, ConversationState, Message
from bot.errors import BadRequest, Conflict, InvalidTransition
from bot.handover import Action
from bot.http import decode, json_response, row_id
from bot.ports import SendFailed
from bot.services import SERVICES, Services

_FARTHEST_S = 366 * 86_400.0

_PLAIN = {
    "close": Action.CLOSED,
    "reopen": Action.REOPENED,
    "wake": Action.WOKE,
    "return": Action.RETURNED_TO_BOT,
    "person": Action.PERSON_WANTED,
}


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One action. ``to`` names another agent to assign to; 0 and absent mean oneself."""

    action: Literal["assign", "unassign", "close", "reopen", "snooze", "wake", "return", "person"]
    version: int | None = None
    until: float | None = None
    to: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0


class Changed(msgspec.Struct, frozen=True):
    """The conversation after an action."""

    state: str
    version: int


class PresenceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent does with the open conversation."""

    state: Literal["reading", "writing", "left"]


async def act(request: web.Request) -> web.Response:
    """Take, hand over, snooze, close..."""
    body = await decode(request, ActionBody)
    services = request.config_dict[SERVICES]
    conversation = await services.store.conversations.by_public_id(request.match_info["public_id"])
    try:
        changed = await _act(services, conversation, body, request[AGENT].id)
    except InvalidTransition:
        raise InvalidTransition(ui.translate(request, "desk.error.not-possible")) from None
    except Conflict:
        raise Conflict(ui.translate(request, "desk.error.changed")) from None
    except BadRequest:
        raise BadRequest(ui.translate(request, "desk.error.snooze")) from None
    publish_change(services, changed)
    return json_response(Changed(str(changed.state), changed.version))


async def _act(
    services: Services, conversation: Conversation, body: ActionBody, agent_id: int
) -> Conversation:
    conversations = services.store.conversations
    if body.action == "unassign":
        return await conversations.assign(conversation.id, None, body.version)
    if body.action == "assign":
        target = body.to or agent_id
        await services.store.people.agent(target)
        if target == agent_id and conversation.state is not ConversationState.OPEN:
            return await _take(services, conversation, body.version, agent_id)
        return await conversations.assign(conversation.id, target, body.version)
    if body.action == "snooze":
        now = services.clock()
        if body.until is None or not now < body.until <= now + _FARTHEST_S:
            raise BadRequest
        return await conversations.act(
            conversation.id,
            Action.SNOOZED,
            expected_version=body.version,
            agent_id=agent_id,
            snoozed_until=body.until,
        )
    return await conversations.act(
        conversation.id, _PLAIN[body.action], expected_version=body.version, agent_id=agent_id
    )


async def _take(
    services: Services, conversation: Conversation, version: int | None, agent_id: int
) -> Conversation:
    return await services.store.conversations.act(
        conversation.id, Action.AGENT_TOOK, expected_version=version, agent_id=agent_id
    )


def publish_change(services: Services, conversation: Conversation) -> None:
    """Tell the desks and the customer's widget that the conversation is in another state."""
    data = {
        "conversation_id": conversation.id,
        "conversation": conversation.public_id,
        "state": str(conversation.state),
        "version": conversation.version,
    }
    services.bus.publish("desk", "conversation.changed", data)
    services.bus.publish(f"conversation:{conversation.public_id}", "state", data)


async def tell_presence(presence: Presence, request: web.Request) -> web.Response:
    """Who reads; whoever reads has read. While an agent writes, the customer sees it."""
    body = await decode(request, PresenceBody)
    services = request.config_dict[SERVICES]
    agent = request[AGENT]
    conversation = await services.store.conversations.by_public_id(request.match_info["public_id"])
    data = {"conversation_id": conversation.id, "conversation": conversation.public_id}
    if presence.tell(conversation.id, agent, body.state, services.clock()):
        services.bus.publish("desk", "presence", data)
    if body.state != "left" and conversation.unread:
        await services.store.conversations.mark_read(conversation.id, agent.id)
        services.bus.publish("desk", "conversation.changed", data)
    if body.state == "writing":
        await _show_typing(services, conversation)
    return web.Response(status=204)


async def _show_typing(services: Services, conversation: Conversation) -> None:
    channel = services.channels.get(conversation.channel)
    if channel is None or conversation.state is ConversationState.CLOSED:
        return
    customer = await services.store.conversations.customer(conversation.customer_id)
    with contextlib.suppress(SendFailed, OSError):
        await channel.typing(customer.external_id)


async def resend(request: web.Request) -> web.Response:
    """Send an uncertain or failed message again, because a person said so."""
    services, message = await _in_doubt(request)
    assert message.outbox_id is not None  # noqa: S101 - _in_doubt saw to it
    await services.store.outbox.resend(message.outbox_id)
    services.delivery.wake()
    return await _settled(services, message)


async def arrived(request: web.Request) -> web.Response:
    """Mark an uncertain message as delivered."""
    services, message = await _in_doubt(request)
    assert message.outbox_id is not None  # noqa: S101 - _in_doubt saw to it
    await services.store.outbox.mark_delivered(message.outbox_id)
    return await _settled(services, message)


async def _in_doubt(request: web.Request) -> tuple[Services, Message]:
    services = request.config_dict[SERVICES]
    message = await services.store.conversations.message(row_id(request))
    if message.outbox_id is None or message.delivery not in {"uncertain", "failed"}:
        raise Conflict(ui.translate(request, "desk.error.uncertain"))
    return services, message


async def _settled(services: Services, message: Message) -> web.Response:
    publish_change(services, await services.store.conversations.get(message.conversation_id))
    return web.Response(status=204)
