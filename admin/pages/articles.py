"""One article: written, changed, removed, restored, linked with its translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from admin.importers.rows import MAX_ANSWER, MAX_CATEGORY, MAX_QUESTION
from admin.pages.differences import Change, changes
from admin.pages.frame import actor, audit, fields, go, page, services_of
from bot import ui
from bot.access import Route
from bot.domain import Article
from bot.errors import BadRequest, Conflict, NotFound
from bot.http import row_id
from bot.store.coverage import Coverage
from bot.store.records import ArticleVersion

_MAX_TITLE = 300
_TWIN_CHOICES = 200
_SHOWN_VERSIONS = 50


async def new_page(request: web.Request) -> web.StreamResponse:
    """An empty form; ``?twin=ID`` begins a translation, ``?from=ID`` an article of a question."""
    form = {
        "title": "",
        "text": "",
        "questions": "",
        "category": "",
        "language": "",
        "updated_at": "",
    }
    asked = request.query.get("from", "")
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        services = services_of(request)
        form.update(await Coverage(services.store.db, services.clock).draft(int(asked)))
    twin = request.query.get("twin", "")
    if twin.isascii() and twin.isdigit() and len(twin) < 19:
        other = await services_of(request).store.knowledge.article(int(twin))
        form.update(category=other.category, language=_other(other.language), twin=twin)
    form["language"] = form["language"] or str(request.cookies.get("lang", "")) or "en"
    return await _form_page(request, None, form)


async def edit_page(request: web.Request) -> web.StreamResponse:
    """The form of an article with its use, translation and history."""
    article = await services_of(request).store.knowledge.article(row_id(request))
    return await _form_page(request, article, _filled(article))


async def save(request: web.Request) -> web.StreamResponse:
    """Write a new article or the changes of one."""
    store = services_of(request).store
    article = await store.knowledge.article(row_id(request)) if "id" in request.match_info else None
    given = await fields(request)
    errors = _errors(request, given)
    if errors:
        return await _form_page(request, article, given, errors=errors)
    expected = given.get("updated_at", "")
    try:
        saved = await store.knowledge.save(
            article_id=article.id if article else None,
            title=given.get("title", ""),
            text=given["text"],
            category=given.get("category", ""),
            language=given.get("language", ""),
            questions=given.get("questions", "").splitlines(),
            expected_updated_at=float(expected) if article and _is_number(expected) else None,
            actor=actor(request),
        )
    except Conflict as error:
        return await _conflict(request, article, given, error)
    if given.get("twin", "").isdigit():
        await store.knowledge.link_twins(saved.id, int(given["twin"]), actor(request))
        await apply_articles(request, int(given["twin"]))
    await apply_articles(request, saved.id)
    await audit(request, "article.saved", str(saved.id))
    return go(f"/admin/knowledge/{saved.id}", "saved")


async def remove(request: web.Request) -> web.StreamResponse:
    """Move an article to the bin."""
    article = await services_of(request).store.knowledge.remove(row_id(request), actor(request))
    await apply_articles(request, article.id)
    await audit(request, "article.removed", str(article.id))
    return go("/admin/knowledge", "removed", undo=article.id, title=_name(article)[:80])


async def restore(request: web.Request) -> web.StreamResponse:
    """Take an article out of the bin."""
    article = await services_of(request).store.knowledge.restore(row_id(request), actor(request))
    await apply_articles(request, article.id)
    await audit(request, "article.restored", str(article.id))
    return go(f"/admin/knowledge/{article.id}", "restored")


async def restore_version(request: web.Request) -> web.StreamResponse:
    """Give an article the form it had before."""
    store = services_of(request).store
    article_id, version_id = row_id(request), row_id(request, "version")
    for version in await store.knowledge.history(article_id):
        if version.id == version_id:
            await store.knowledge.save(
                article_id=article_id,
                title=version.title,
                text=version.text,
                category=version.category,
                language=version.language,
                questions=version.questions,
                actor=actor(request),
            )
            await apply_articles(request, article_id)
            await audit(
                request, "article.version-restored", str(article_id), {"version": version_id}
            )
            return go(f"/admin/knowledge/{article_id}", "version-restored")
    raise NotFound("There is no such version.")


async def link_twin(request: web.Request) -> web.StreamResponse:
    """Link the same article in the other language."""
    article_id = row_id(request)
    twin = (await fields(request)).get("twin", "")
    if not (twin.isascii() and twin.isdigit() and len(twin) < 19):
        raise BadRequest("Choose an article.")
    await services_of(request).store.knowledge.link_twins(article_id, int(twin), actor(request))
    await apply_articles(request, article_id, int(twin))
    await audit(request, "article.linked", str(article_id), {"twin": int(twin)})
    return go(f"/admin/knowledge/{article_id}", "linked")


async def apply_articles(request: web.Request, *article_ids: int) -> None:
    """Let the very next question find the change."""
    services = services_of(request)
    await services.serving.apply_articles(article_ids)
    revision = await services.store.knowledge.revision()
    services.bus.publish(
        "desk", "knowledge.changed", {"revision": revision, "articles": list(article_ids)}
    )


async def _form_page(
    request: web.Request,
    article: Article | None,
    form: dict[str, str],
    *,
    errors: dict[str, str] | None = None,
    problem: str = "",
) -> web.Response:
    store = services_of(request).store
    blank = {
        "title": "",
        "text": "",
        "questions": "",
        "category": "",
        "language": "en",
        "updated_at": "",
        "twin": "",
    }
    context: dict[str, Any] = {
        "article": article,
        "form": {**blank, **form},
        "errors": {"text": "", "questions": "", "category": "", **(errors or {})},
        "categories": [category.name for category in await store.knowledge.categories()],
        "heading": _name(article) if article else ui.translate(request, "panel.article.new"),
        "action": f"/admin/knowledge/{article.id}" if article else "/admin/knowledge/new",
        "twin": None,
        "twin_options": [],
        "history": [],
    }
    if article is not None:
        context["history"] = _history(await store.knowledge.history(article.id))
        if article.twin_id is not None:
            context["twin"] = await store.knowledge.article(article.twin_id)
        else:
            context["twin_options"] = await _twin_options(request, article)
    failed = bool(errors or problem)
    return page(
        request,
        "panel_article.html",
        "knowledge",
        status=422 if failed else 200,
        problem=problem,
        **context,
    )


def _history(versions: Sequence[ArticleVersion]) -> list[tuple[ArticleVersion, list[Change]]]:
    """The newest forms, each with what it changed."""
    before = [*versions[1:], None]
    return [
        (version, changes(earlier, version))
        for version, earlier in list(zip(versions, before, strict=True))[:_SHOWN_VERSIONS]
    ]


async def _twin_options(request: web.Request, article: Article) -> list[tuple[int, str]]:
    """Articles in the other language without a twin; those of the same category first."""
    found = await services_of(request).store.knowledge.all_items()
    free = [
        other
        for other in found
        if other.twin_id is None and other.language != article.language and other.id != article.id
    ]
    free.sort(key=lambda other: (other.category != article.category, other.id))
    return [(other.id, _name(other)[:80]) for other in free[:_TWIN_CHOICES]]


async def _conflict(
    request: web.Request, article: Article | None, given: dict[str, str], error: Conflict
) -> web.StreamResponse:
    """Show the form again with what the person wrote."""
    if article is not None and given.get("updated_at") != repr(article.updated_at):
        given["updated_at"] = repr(article.updated_at)
        return await _form_page(
            request, article, given, problem=ui.translate(request, "panel.article.conflict")
        )
    del error
    return await _form_page(
        request, article, given, problem=ui.translate(request, "panel.article.same-answer")
    )


def _errors(request: web.Request, given: dict[str, str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not given.get("text"):
        errors["text"] = ui.translate(request, "panel.article.error.text")
    longest = max((len(line) for line in given.get("questions", "").splitlines()), default=0)
    lengths = {
        "text": (len(given.get("text", "")), MAX_ANSWER),
        "questions": (longest, MAX_QUESTION),
        "category": (len(given.get("category", "")), MAX_CATEGORY),
        "title": (len(given.get("title", "")), _MAX_TITLE),
    }
    for name, (length, limit) in lengths.items():
        if length > limit:
            errors[name] = ui.translate(
                request, "panel.article.error.long", length=length, limit=limit
            )
    if given.get("language") not in {"ru", "en"}:
        raise BadRequest("There is no such language.")
    return errors


def _filled(article: Article) -> dict[str, str]:
    return {
        "title": article.title,
        "text": article.text,
        "questions": "\n".join(article.questions),
        "category": article.category,
        "language": article.language,
        "updated_at": repr(article.updated_at),
    }


def _name(article: Article) -> str:
    return article.title or (article.questions[0] if article.questions else article.text[:80])


def _other(language: str) -> str:
    return "en" if language == "ru" else "ru"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/knowledge/new", new_page, "admin"),
        Route("POST", "/admin/knowledge/new", save, "admin"),
        Route("GET", r"/admin/knowledge/{id:\d+}", edit_page, "admin"),
        Route("POST", r"/admin/knowledge/{id:\d+}", save, "admin"),
        Route("POST", r"/admin/knowledge/{id:\d+}/remove", remove, "admin"),
        Route("POST", r"/admin/knowledge/{id:\d+}/restore", restore, "admin"),
        Route("POST", r"/admin/knowledge/{id:\d+}/twin", link_twin, "admin"),
        Route("POST", r"/admin/knowledge/{id:\d+}/history/{version:\d+}", restore_version, "admin"),
    )
