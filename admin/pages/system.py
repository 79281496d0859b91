"""System: the doctor's findings, sizes, backups, the audit log."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from admin.doctor import Finding, device_check, in_words, machine, serving_check
from admin.pages.frame import audit, go, number_in, page, services_of
from admin.pages.reports import Figure
from bot import ui
from bot.access import AGENT, Route
from bot.domain import Role
from bot.errors import NotFound
from bot.services import Services
from bot.ui.formats import Formats
from bot.ui.viewer import viewer_of

_NAME = re.compile(r"neurobot-\d{8}-\d{6}\.db")
_AUDIT_ROWS = 20


@dataclass(frozen=True, slots=True)
class _Backup:
    name: str
    size_bytes: int
    created_at: float


async def system_page(request: web.Request) -> web.StreamResponse:
    """Everything of note about the running server."""
    services = services_of(request)
    backups = await asyncio.to_thread(_backups, services)
    return page(
        request,
        "panel_system.html",
        "system",
        stats=_figures(request, backups),
        checks=await findings(request),
        backups=backups,
        may_download=request[AGENT].role is Role.OWNER,
        audit=await services.store.people.audit_log(
            number_in(request.query.get("page", ""), 1, 100_000, 1), _AUDIT_ROWS
        ),
    )


async def backup(request: web.Request) -> web.StreamResponse:
    """Make a verified copy beside the database."""
    services = services_of(request)
    name = f"neurobot-{datetime.now(UTC):%Y%m%d-%H%M%S}.db"
    await services.store.backup(_folder(services) / name)
    await audit(request, "backup.made", name)
    return go("/admin/system", "backup", name=name)


async def download(request: web.Request) -> web.StreamResponse:
    """A backup as a file; for the owner, as it holds everything."""
    name = request.match_info["name"]
    path = _folder(services_of(request)) / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such backup.")
    await audit(request, "backup.downloaded", name)
    return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def findings(request: web.Request) -> list[Finding]:
    """The doctor's words on the running server, in the viewer's language."""
    services = services_of(request)
    checks = await asyncio.to_thread(machine, services.settings)
    device = services.serving.device
    checks += [serving_check(services.serving), device_check(device.name, device.reason)]
    language = _formats(request).language
    return [in_words(check, language) for check in checks]


def _figures(request: web.Request, backups: list[_Backup]) -> list[Figure]:
    services = services_of(request)
    formats = _formats(request)
    health = services.store.health()
    now = services.clock()

    def text(key: str, **params: str) -> str:
        return ui.translate(request, f"panel.system.{key}", **params)

    wal = text("wal", size=formats.size(health["wal_bytes"]))
    return [
        Figure(text("database"), formats.size(health["size_bytes"]), wal),
        Figure(text("queue"), formats.number(health["queued"]), text("queue-hint")),
        Figure(text("device"), services.serving.device.name, ""),
        Figure(
            text("backup-age"),
            formats.ago(backups[0].created_at, now) if backups else text("never"),
        ),
        Figure(text("uptime"), formats.span(now - services.started_at)),
    ]


def _backups(services: Services) -> list[_Backup]:
    folder = _folder(services)
    if not folder.is_dir():
        return []
    found = [
        _Backup(path.name, path.stat().st_size, path.stat().st_mtime)
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name)
    ]
    return sorted(found, key=lambda backup: backup.created_at, reverse=True)


def _folder(services: Services) -> Path:
    return services.settings.data_path / "backups"


def _formats(request: web.Request) -> Formats:
    viewer = viewer_of(request, lambda _: (None, ""), services_of(request).settings.language)
    return Formats(viewer.language, viewer.timezone)


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/system", system_page, "admin"),
        Route("POST", "/admin/system/backup", backup, "admin"),
        Route("GET", "/admin/system/backups/{name}", download, "owner"),
    )
