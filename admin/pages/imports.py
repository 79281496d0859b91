"""Import of a knowledge base: upload, look at the difference, write."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from admin.importers.knowledge import parse_knowledge
from admin.importers.rows import KnowledgeRow, Parsed
from admin.operations import article_rows, import_articles
from admin.pages.frame import audit, fields, go, page, services_of
from bot import ui
from bot.access import Route
from bot.errors import BadData
from bot.http import form
from bot.store import ImportDiff

_KEPT_S = 3600.0
_UPLOAD = re.compile(r"[0-9a-f]{64}")


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
    with upload.file:
        data = await asyncio.to_thread(upload.file.read)
    try:
        parsed = await asyncio.to_thread(parse_knowledge, data, language=language)
    except BadData as error:
        return _page(request, str(error))
    diff = ImportDiff(0, 0, 0, 0)
    if parsed.rows:
        diff = await import_articles(services_of(request), article_rows(parsed.rows), dry_run=True)
    kept = await asyncio.to_thread(_keep, _folder(request), data)
    preview = _Preview(Path(upload.filename).name[:100], kept, language, diff, parsed.problems)
    return _page(request, preview=preview)


async def apply(request: web.Request) -> web.StreamResponse:
    """Write the file that was checked."""
    given = await fields(request)
    name = given.get("upload", "")
    path = _folder(request) / f"{name}.csv"
    if not _UPLOAD.fullmatch(name) or not path.is_file():
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


def _folder(request: web.Request) -> Path:
    return services_of(request).settings.data_path / "uploads"


def _keep(folder: Path, data: bytes) -> str:
    """Keep an upload between check and writing; old ones are dropped."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.glob("*.csv"):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink(missing_ok=True)
    name = hashlib.sha256(data).hexdigest()
    (folder / f"{name}.csv").write_bytes(data)
    return name


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/knowledge/import", import_page, "admin"),
        Route("POST", "/admin/knowledge/import", check, "admin"),
        Route("POST", "/admin/knowledge/import/apply", apply, "admin"),
    )
