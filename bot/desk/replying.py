"""The agent's words: replies with their verdicts, undo, notes, drafts, rejections."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from bot import ui
from bot.access import AGENT
from bot.desk.actions import publish_change
from bot.desk.files import StoredFile, checked_attachment, kind_of
from bot.desk.interests import offered
from bot.desk.verdicts import FoundArticle, Judged, judge
from bot.domain import (
    Agent,
    Author,
    Conversation,
    ConversationState,
    Delivery,
    Message,
    Suggestions,
    Verdict,
    VerdictRecord,
)
from bot.errors import AlreadyAnswered, BadRequest, Conflict, NotFound
from bot.handover import Action
from bot.http import decode, json_response
from bot.services import SERVICES, Services
from bot.store.records import Reply

RowId = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Text = Annotated[str, msgspec.Meta(max_length=4000)]


class ReplyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reply.

    ``key`` makes a repeated request one message. ``seen`` is the newest message that the agent had
    before them; an answer of somebody else after it is a conflict. ``question`` is the customer's
    message whose suggestions were shown, ``answer`` the one put into the composer, or an article
    that the agent found by hand. ``offers`` are recommended items that were put into the text.
    """

    text: Text
    key: Annotated[str, msgspec.Meta(min_length=8, max_length=64)]
    seen: RowId = 0
    question: RowId | None = None
    answer: RowId | None = None
    rejected: Annotated[list[RowId], msgspec.Meta(max_length=20)] = []
    close: bool = False
    attachment: StoredFile | None = None
    offers: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=2000)]], msgspec.Meta(max_length=20)
    ] = []


class Sent(msgspec.Struct, frozen=True):
    """A stored reply. It leaves after ``hold_s`` seconds unless it is undone."""

    message_id: int
    hold_s: float


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message to take back; ``reopen`` where it closed the conversation as well."""

    message_id: RowId
    reopen: bool = False


class Undone(msgspec.Struct, frozen=True):
    """What goes back into the composer."""

    text: str
    attachment: StoredFile | None = None


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A private note."""

    text: Text


class DraftBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unfinished reply; empty text forgets it."""

    text: Text


class RejectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suggestion that is wrong for a question."""

    question: RowId
    answer: RowId
    reason: Annotated[str, msgspec.Meta(max_length=400)] = ""


async def reply(request: web.Request) -> web.Response:
    """Store a reply with its verdicts; it leaves when the undo window has passed."""
    body = await decode(request, ReplyBody)
    services, agent, conversation = await _place(request)
    if not body.text.strip() and body.attachment is None:
        raise BadRequest(ui.translate(request, "desk.error.empty"))
    key = f"desk:{agent.id}:{body.key}"
    judged = await _judged(services, conversation, body, agent)
    hold_s = services.settings.answers.undo_s
    attachment = checked_attachment(services.settings, body.attachment)
    wanted = Reply(
        text=body.text.strip(),
        author=Author.AGENT,
        agent_id=agent.id,
        answer_id=judged.answer_id,
        suggestion_rank=judged.rank,
        message_id=body.question if judged.records else None,
        attachment=attachment,
        idempotency_key=key,
        hold_s=hold_s,
        verdicts=judged.records,
        close=body.close,
        kind=kind_of(attachment),
        seen_message_id=body.seen or None,
    )
    try:
        message = await services.store.conversations.reply(conversation.id, wanted)
    except AlreadyAnswered as error:
        name = await _author_name(request, services, error.message_id)
        raise Conflict(ui.translate(request, "desk.error.answered", name=name)) from None
    services.delivery.wake()
    await _learn(services, message)
    if body.offers:
        customer = await services.store.conversations.customer(conversation.customer_id)
        await offered(services, customer, body.offers, message.text, message.id)
    publish_change(services, await services.store.conversations.get(conversation.id))
    held = message.delivery is Delivery.HELD
    return json_response(Sent(message.id, hold_s if held else 0.0), 201)


async def _author_name(request: web.Request, services: Services, message_id: int) -> str:
    message = await services.store.conversations.message(message_id)
    if message.author is Author.BOT:
        return ui.translate(request, "desk.author.bot")
    if message.agent_id is None:
        return ui.translate(request, "desk.channel.rest")
    try:
        return (await services.store.people.agent(message.agent_id)).name
    except NotFound:
        return "?"


async def _judged(
    services: Services, conversation: Conversation, body: ReplyBody, agent: Agent
) -> Judged:
    nothing = Judged((), None, None)
    if body.question is None:
        return nothing
    question = await services.store.conversations.message(body.question)
    if question.conversation_id != conversation.id:
        return nothing
    stored = await services.store.conversations.suggestions(body.question)
    shown = stored[0] if stored is not None else None
    known = await services.store.feedback.of_message(question.id)
    rejected = {*body.rejected, *(v.answer_id for v in known if v.verdict is Verdict.REJECTED)}
    return judge(
        shown,
        body.text,
        question_id=question.id,
        chosen=body.answer,
        found=await _found(services, shown, body.answer),
        rejected=rejected,
        agent_id=agent.id,
        now=services.clock(),
    )


def _ids(shown: Suggestions | None) -> set[int]:
    return {item.answer_id for item in shown.items} if shown is not None else set()


async def _found(
    services: Services, shown: Suggestions | None, answer_id: int | None
) -> FoundArticle | None:
    """The article where it is none of the suggestions."""
    if answer_id is None or answer_id in _ids(shown):
        return None
    found = await services.store.knowledge.some([answer_id])
    live = [article for article in found if article.removed_at is None]
    return FoundArticle(live[0].id, live[0].text) if live else None


async def undo(request: web.Request) -> web.Response:
    """Take a reply back while it has not left."""
    body = await decode(request, UndoBody)
    services, agent, conversation = await _place(request)
    message = await services.store.conversations.message(body.message_id)
    if message.conversation_id != conversation.id or message.agent_id != agent.id:
        raise NotFound
    try:
        taken = await services.store.conversations.undo(message.id, agent.id)
    except Conflict:
        raise Conflict(ui.translate(request, "desk.error.undo")) from None
    after = await services.store.conversations.get(conversation.id)
    if body.reopen and after.state is ConversationState.CLOSED:
        # something else changed it meanwhile, so the store left its state alone
        after = await services.store.conversations.act(
            conversation.id, Action.REOPENED, agent_id=agent.id
        )
    await _learn(services, message)
    publish_change(services, after)
    file = taken.attachment
    stored = (
        StoredFile(file.reference, file.name, file.media_type, file.size_bytes) if file else None
    )
    return json_response(Undone(taken.text, stored))


async def _learn(services: Services, reply_message: Message) -> None:
    """Let the next customer with this question profit at once, or no more after an undo."""
    if reply_message.answer_id is not None:
        await services.serving.apply_articles([reply_message.answer_id])


async def note(request: web.Request) -> web.Response:
    """Keep a private note."""
    body = await decode(request, NoteBody)
    services, agent, conversation = await _place(request)
    if not body.text.strip():
        raise BadRequest(ui.translate(request, "desk.error.empty"))
    message = await services.store.conversations.add_note(
        conversation.id, agent.id, body.text.strip()
    )
    publish_change(services, await services.store.conversations.get(conversation.id))
    return json_response(Sent(message.id, 0.0), 201)


async def draft(request: web.Request) -> web.Response:
    """Keep the unfinished reply of this agent."""
    body = await decode(request, DraftBody)
    services, agent, conversation = await _place(request)
    await services.store.conversations.save_draft(conversation.id, agent.id, body.text)
    return web.Response(status=204)


async def reject(request: web.Request) -> web.Response:
    """Note that a suggestion is wrong for this question."""
    body = await decode(request, RejectBody)
    services, agent, conversation = await _place(request)
    question = await services.store.conversations.message(body.question)
    stored = await services.store.conversations.suggestions(body.question)
    if stored is None or question.conversation_id != conversation.id:
        raise NotFound
    for rank, item in enumerate(stored[0].items, 1):
        if item.answer_id == body.answer:
            record = VerdictRecord(
                message_id=question.id,
                answer_id=item.answer_id,
                rank=rank,
                verdict=Verdict.REJECTED,
                agent_id=agent.id,
                created_at=services.clock(),
                confidence=item.confidence,
                model_version=stored[0].model_version,
                reason=body.reason.strip(),
            )
            await services.store.feedback.record([record])
            return web.Response(status=204)
    raise NotFound


async def _place(request: web.Request) -> tuple[Services, Agent, Conversation]:
    services = request.config_dict[SERVICES]
    found = await services.store.conversations.by_public_id(request.match_info["public_id"])
    return services, request[AGENT], found
