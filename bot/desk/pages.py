"""The desk as a page and as the fragments that its script puts in place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web

from bot import ui
from bot.access import AGENT
from bot.desk.preferences import chosen_preferences
from bot.desk.presence import Presence
from bot.desk.talk import Talk, gather
from bot.domain import Agent, Conversation, Page
from bot.errors import NotFound
from bot.http import query as decode_query
from bot.services import SERVICES
from bot.ui.formats import Formats

View = Literal["mine", "unassigned", "all", "flagged", "snoozed", "closed", "uncertain"]

_VIEWS: tuple[View, ...] = (
    "mine", "unassigned", "all", "snoozed", "closed", "uncertain", "flagged",
)  # fmt: skip
_CHANNELS = frozenset({"telegram", "web", "rest", "memory"})
_FAILURES = frozenset({"blocked", "chat-not-found", "network", "too-large"})
_KEYS = (
    (("J", "K"), "next"), (("1", "…", "5"), "take"), (("Tab",), "tab"), (("Ctrl Enter",), "send"),
    (("Ctrl ⇧ Enter",), "send-close"), (("Ctrl Z",), "undo"), (("R",), "reply"), (("N",), "note"),
    (("F",), "find"), (("X",), "reject"), (("O",), "offer"), (("A",), "assign"), (("Z",), "snooze"),
    (("E",), "close"), (("/",), "search"), (("?",), "help"), (("Esc",), "escape"),
)  # fmt: skip


class ListQuery(msgspec.Struct, frozen=True):
    """Which list is shown, and which conversation beside it."""

    view: View | None = None
    q: Annotated[str, msgspec.Meta(max_length=200)] = ""
    page: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    c: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Queue(msgspec.Struct, frozen=True):
    """The left column."""

    view: View
    query: str
    page: Page
    counts: Mapping[str, int]


class Current(msgspec.Struct, frozen=True):
    """Stands for the open conversation where only the list is drawn."""

    conversation: Conversation


async def desk(presence: Presence, request: web.Request) -> web.Response:
    """The whole desk. Without a view it starts where there is work."""
    wanted = decode_query(request, ListQuery)
    services = request.config_dict[SERVICES]
    agent = request[AGENT]
    last_event = services.bus.last_id  # before reading, so that nothing falls between
    queue_ = await _queue(request, wanted)
    try:
        talk = await _talk(request, presence, wanted.c) if wanted.c else None
    except NotFound:
        talk = None
    settings = services.settings
    chosen = chosen_preferences(agent)
    return ui.render(
        request,
        "desk.html",
        **_shared(request),
        queue=queue_,
        talk=talk,
        keys=_KEYS,
        chosen=chosen,
        preferences=json.dumps(msgspec.to_builtins(chosen)),
        undo_s=settings.answers.undo_s,
        upload_limit=settings.http.max_upload_bytes,
        last_event=last_event,
    )


async def queue(request: web.Request) -> web.Response:
    """The left column."""
    wanted = decode_query(request, ListQuery)
    current = None
    if wanted.c:
        try:
            found = await request.config_dict[SERVICES].store.conversations.by_public_id(wanted.c)
            current = Current(found)
        except NotFound:
            current = None
    return _html(
        ui.fragment(
            request,
            "desk_queue.html",
            **_shared(request),
            queue=await _queue(request, wanted),
            talk=current,
        )
    )


async def conversation(presence: Presence, request: web.Request) -> web.Response:
    """The middle and right columns of one conversation."""
    wanted = decode_query(request, ListQuery)
    talk = await _talk(request, presence, request.match_info["public_id"])
    place = Queue(wanted.view or "all", wanted.q, Page([], 0, 1, 1), {})
    return _html(ui.fragment(request, "desk_talk.html", **_shared(request), queue=place, talk=talk))


async def _queue(request: web.Request, wanted: ListQuery) -> Queue:
    conversations = request.config_dict[SERVICES].store.conversations
    agent = request[AGENT]
    counts = await conversations.counts(agent.id)
    view = wanted.view or _first_view(counts)
    page = await conversations.queue(view, agent.id, page=wanted.page, query=wanted.q)
    if page.page > page.pages:
        page = await conversations.queue(view, agent.id, page=page.pages, query=wanted.q)
    return Queue(view, wanted.q, page, counts)


def _first_view(counts: Mapping[str, int]) -> View:
    if counts.get("mine"):
        return "mine"
    return "unassigned" if counts.get("unassigned") else "all"


async def _talk(request: web.Request, presence: Presence, public_id: str) -> Talk:
    services = request.config_dict[SERVICES]
    agent: Agent = request[AGENT]
    found = await services.store.conversations.by_public_id(public_id)
    viewer = ui.viewer_for(request)
    formats = Formats(viewer.language, viewer.timezone)
    return await gather(
        services,
        presence,
        found,
        agent=agent,
        t=partial(ui.translate, request),
        formats=formats,
    )


def _shared(request: web.Request) -> dict[str, Any]:
    """What every template of the desk needs."""
    t = partial(ui.translate, request)

    def channel_name(name: str) -> str:
        return t(f"desk.channel.{name}") if name in _CHANNELS else name

    def failure_text(reason: str | None) -> str:
        if reason in _FAILURES:
            return t(f"desk.failure.{reason}")
        return t("desk.failure.other", reason=reason or "?")

    return {"views": _VIEWS, "channel_name": channel_name, "failure_text": failure_text}


def _html(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")
