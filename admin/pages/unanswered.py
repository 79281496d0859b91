"""What we could not answer: groups of questions, each one step from being an article."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.importers.rows import MAX_ANSWER, MAX_CATEGORY
from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from admin.pages.training_set import tab_counts
from bot import ui
from bot.access import Route
from bot.domain import Page
from bot.errors import BadRequest, Conflict
from bot.http import query, row_id
from bot.learning.unanswered import Card, card, cards, publish, refresh, title_of

_PER_PAGE = 12
_HERE = "/admin/unanswered"


class _Wish(msgspec.Struct, frozen=True):
    language: Literal["", "ru", "en"] = ""
    draft: Literal["", "with", "without"] = ""
    page: str = "1"


async def cards_page(request: web.Request) -> web.StreamResponse:
    """Groups, largest first."""
    services = services_of(request)
    wish = query(request, _Wish)
    await refresh(services.store, services.clock())
    everything = await cards(services.store)
    shown = [c for c in everything if _lets_pass(wish, c)]
    at = number_in(wish.page, 1, 100_000, 1)
    first = (at - 1) * _PER_PAGE
    kept = {name: getattr(wish, name) for name in ("language", "draft") if getattr(wish, name)}
    return page(
        request,
        "panel_unanswered.html",
        "unanswered",
        undo_path=f"{_HERE}/{{}}/reopen",
        page=Page(shown[first : first + _PER_PAGE], len(shown), at, _PER_PAGE),
        total=len(everything),
        merge_options=[(c.id, _name(c)) for c in everything],
        wish=wish,
        base_url=f"{_HERE}?{urlencode(kept)}" if kept else _HERE,
        draft_options=[
            (name, ui.translate(request, f"panel.unanswered.{name}-draft"))
            for name in ("with", "without")
        ],
        tabs=await tab_counts(request),
    )


async def edit_page(request: web.Request) -> web.StreamResponse:
    """The article that would be published, to be changed before."""
    found, questions = await card(services_of(request).store, row_id(request))
    form = {
        "title": title_of(questions),
        "text": found.draft,
        "questions": "\n".join(" ".join(question.split()) for question in questions),
        "category": found.category,
        "language": found.language,
    }
    return await _form_page(request, found, form)


async def publish_form(request: web.Request) -> web.StreamResponse:
    """Publish as written in the form."""
    found, _ = await card(services_of(request).store, row_id(request))
    given = await fields(request)
    error = _error(request, given)
    if error:
        return await _form_page(request, found, given, error=error)
    return await _publish(
        request,
        found.id,
        title=given.get("title", ""),
        text=given["text"],
        questions=given.get("questions", "").splitlines(),
        category=given.get("category", ""),
        language=given.get("language", ""),
    )


async def publish_at_once(request: web.Request) -> web.StreamResponse:
    """Publish the draft as it stands on the card."""
    found, questions = await card(services_of(request).store, row_id(request))
    if not found.draft:
        return go(f"{_HERE}/{found.id}")
    return await _publish(
        request,
        found.id,
        title=title_of(questions),
        text=found.draft,
        questions=questions,
        category=found.category,
        language=found.language,
    )


async def merge(request: web.Request) -> web.StreamResponse:
    """Put a group into another one."""
    store = services_of(request).store
    cluster_id, into = row_id(request), (await fields(request)).get("into", "")
    if not (into.isascii() and into.isdigit() and len(into) < 19):
        raise BadRequest("Choose a group.")
    try:
        await store.unanswered.merge(cluster_id, int(into))
    except Conflict:
        return go(_HERE, "group-gone")
    await audit(request, "unanswered.merged", str(into), {"from": cluster_id})
    return go(_HERE, "groups-merged")


async def dismiss(request: web.Request) -> web.StreamResponse:
    """Show a group, and questions like it, no more."""
    cluster_id = row_id(request)
    await services_of(request).store.unanswered.settle(cluster_id, "dismissed")
    await audit(request, "unanswered.dismissed", str(cluster_id))
    return go(_HERE, "group-dismissed", undo=cluster_id)


async def reopen(request: web.Request) -> web.StreamResponse:
    """Show a dismissed group again."""
    cluster_id = row_id(request)
    await services_of(request).store.unanswered.settle(cluster_id, "open")
    await audit(request, "unanswered.reopened", str(cluster_id))
    return go(_HERE, "group-reopened")


async def _publish(
    request: web.Request,
    cluster_id: int,
    *,
    title: str,
    text: str,
    questions: list[str] | tuple[str, ...],
    category: str,
    language: str,
) -> web.Response:
    services = services_of(request)
    article = await publish(
        services.store, services.serving, services.bus, cluster_id, title=title, text=text,
        questions=questions, category=category, language=language, actor=actor(request),
    )  # fmt: skip
    name = article.title or (article.questions[0] if article.questions else article.text)
    return go(_HERE, "group-published", title=name[:80])


async def _form_page(
    request: web.Request, found: Card, form: dict[str, str], *, error: str = ""
) -> web.Response:
    blank = {"title": "", "text": "", "questions": "", "category": "", "language": "en"}
    categories = await services_of(request).store.knowledge.categories()
    return page(
        request,
        "panel_unanswered_edit.html",
        "unanswered",
        status=422 if error else 200,
        card=found,
        heading=_name(found),
        form={**blank, **form},
        error=error,
        categories=[category.name for category in categories],
    )


def _error(request: web.Request, given: dict[str, str]) -> str:
    text = given.get("text", "")
    if not text:
        return ui.translate(request, "panel.article.error.text")
    if len(text) > MAX_ANSWER or len(given.get("category", "")) > MAX_CATEGORY:
        return ui.translate(request, "panel.article.error.long", length=len(text), limit=MAX_ANSWER)
    if given.get("language") not in {"ru", "en"}:
        raise BadRequest("There is no such language.")
    return ""


def _lets_pass(wish: _Wish, found: Card) -> bool:
    wanted = {"with": True, "without": False}.get(wish.draft)
    return (not wish.language or found.language == wish.language) and (
        wanted is None or bool(found.draft) == wanted
    )


def _name(found: Card) -> str:
    return " · ".join(found.terms) or title_of(found.examples)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HERE, cards_page, "admin"),
        Route("GET", rf"{_HERE}/{{id:\d+}}", edit_page, "admin"),
        Route("POST", rf"{_HERE}/{{id:\d+}}", publish_form, "admin"),
        Route("POST", rf"{_HERE}/{{id:\d+}}/publish", publish_at_once, "admin"),
        Route("POST", rf"{_HERE}/{{id:\d+}}/merge", merge, "admin"),
        Route("POST", rf"{_HERE}/{{id:\d+}}/dismiss", dismiss, "admin"),
        Route("POST", rf"{_HERE}/{{id:\d+}}/reopen", reopen, "admin"),
    )
