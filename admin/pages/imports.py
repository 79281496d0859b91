"""Import of a knowledge base: upload, look at the difference, write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from admin.importers.knowledge import parse_knowledge
from admin.importers.rows import KnowledgeRow, Parsed
from admin.operations import article_rows, import_articles
from admin.pages.frame import audit, fields, go, page, services_of
from admin.pages.uploads import find, keep
from bot import ui
from bot.access import Route
from bot.errors import BadData
from bot.http import form
from bot.store import ImportDiff


class _Preview(msgspec.Struct, frozen=True):
    name: str
    upload: str
    language: str
    diff: ImportDiff
    problems: tuple[Any, ...]


async def import_page(request: web.Request) -> web.StreamResponse:
    """The form for a file."""
    return _page(request)


async def check(request: web.Request) -> web.StreamResponse:
    """Read the upload and show what it would change; nothing is written."""
    given = await form(request)
    upload = given.get("file")
    if not isinstance(upload, web.FileField) or not upload.filename:
        return _page(request, ui.translate(request, "panel.import.no-file"))
    language = str(given.get("language", ""))
    kept, data = await keep(request, upload)
    try:
        parsed = await asyncio.to_thread(parse_knowledge, data, language=language)
    except BadData as error:
        return _page(request, str(error))
    diff = ImportDiff(0, 0, 0, 0)
    if parsed.rows:
        diff = await import_articles(services_of(request), article_rows(parsed.rows), dry_run=True)
    preview = _Preview(Path(upload.filename).name[:100], kept, language, diff, parsed.problems)
    return _page(request, preview=preview)


async def apply(request: web.Request) -> web.StreamResponse:
    """Write the file that was checked."""
    given = await fields(request)
    name = given.get("upload", "")
    path = find(request, name)
    if path is None:
        return _page(request, ui.translate(request, "panel.import.gone"))
    parsed: Parsed[KnowledgeRow] = await asyncio.to_thread(
        lambda: parse_knowledge(path.read_bytes(), language=given.get("language", ""))
    )
    rows = parsed.accepted(partial=given.get("partial") == "1")
    diff = await import_articles(services_of(request), article_rows(rows), dry_run=False)
    path.unlink(missing_ok=True)
    await audit(
        request, "knowledge.imported", name[:12], {"added": diff.added, "changed": diff.changed}
    )
    return go("/admin/knowledge", "imported", added=diff.added, changed=diff.changed)


def _page(
    request: web.Request, problem: str = "", *, preview: _Preview | None = None
) -> web.Response:
    status = 422 if problem else 200
    return page(
        request, "panel_import.html", "knowledge", status=status, problem=problem, preview=preview
    )


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/knowledge/import", import_page, "admin"),
        Route("POST", "/admin/knowledge/import", check, "admin"),
        Route("POST", "/admin/knowledge/import/apply", apply, "admin"),
    )
