"""System: the doctor's findings, sizes, queues, backups."""

from __future__ import annotations

import asyncio
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiohttp import web

from admin.doctor import Check, Finding, device_check, in_words, machine, serving_check
from admin.operations import back_up
from admin.pages.frame import audit, formats_of, go, page, services_of
from admin.pages.reports import Figure
from bot import ui
from bot.access import AGENT, Route
from bot.domain import Role
from bot.errors import NotFound
from bot.services import Services
from bot.store.queues import Queue, Queues

_NAME = re.compile(r"neurobot-\d{8}-\d{6}\.db")
# A backup older than this is worth a word, one older than that a warning.
_OLD_BACKUP_S = 2 * 86_400.0
_MISSED_BACKUP_S = 14 * 86_400.0


class _Backup(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    created_at: float


async def system_page(request: web.Request) -> web.StreamResponse:
    """Everything of note about the running server."""
    services = services_of(request)
    backups = await asyncio.to_thread(_backups, services)
    waiting = Queue("writes", services.store.health()["queued"], 0)
    events = Queue("events", services.intake.health()["waiting"], 0)
    queues = [waiting, events, *await Queues(services.store.db, services.clock).lengths()]
    return page(
        request,
        "panel_system.html",
        "system",
        stats=_figures(request, backups),
        checks=await findings(request),
        queues=queues,
        backups=backups,
        may_download=request[AGENT].role is Role.OWNER,
    )


async def backup(request: web.Request) -> web.StreamResponse:
    """Make a verified copy beside the database."""
    services = services_of(request)
    name = f"neurobot-{datetime.now(UTC):%Y%m%d-%H%M%S}.db"
    await back_up(services, _folder(services) / name)
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
    checks.append(_backup_check(services, await asyncio.to_thread(_backups, services)))
    checks += await _stored_checks(services)
    language = formats_of(request).language
    return [in_words(check, language) for check in checks]


def _figures(request: web.Request, backups: list[_Backup]) -> list[Figure]:
    services = services_of(request)
    formats = formats_of(request)
    health, intake = services.store.health(), services.intake.health()
    now = services.clock()

    def text(key: str, **params: str) -> str:
        return ui.translate(request, f"panel.system.{key}", **params)

    disk = shutil.disk_usage(services.settings.data_path)
    wal = text("wal", size=formats.size(health["wal_bytes"]))
    return [
        Figure(text("database"), formats.size(health["size_bytes"]), wal),
        Figure(text("device"), services.serving.device.name, services.serving.device.reason),
        Figure(
            text("disk"), formats.size(disk.free), text("disk-of", size=formats.size(disk.total))
        ),
        Figure(
            text("backup-age"),
            formats.ago(backups[0].created_at, now) if backups else text("never"),
        ),
        Figure(
            text("events"),
            text("events-rate", rate=formats.number(round(intake["per_second"]))),
            text("events-size", size=formats.size(intake["size_bytes"])),
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


async def _stored_checks(services: Services) -> list[Check]:
    """What the rows themselves say: the audit chain, and events that nobody took."""
    broken = await services.store.people.verify_audit()
    queues = {q.name: q for q in await Queues(services.store.db, services.clock).lengths()}
    dead = queues["webhooks"].stuck
    return [
        Check("audit", "ok") if broken is None else Check("audit", "broken", "bad", {"n": broken}),
        Check("webhooks", "dead", "warn", {"n": dead}) if dead else Check("webhooks", "ok"),
    ]


def _backup_check(services: Services, backups: list[_Backup]) -> Check:
    """How old the newest copy in the folder is; a server of the first days needs none yet."""
    now = services.clock()
    if not backups:
        young = now - services.started_at < _OLD_BACKUP_S
        return Check("backup", "none", "ok" if young else "warn")
    age_s = now - backups[0].created_at
    days = {"days": int(age_s // 86_400)}
    if age_s > _MISSED_BACKUP_S:
        return Check("backup", "missed", "bad", days)
    if age_s > _OLD_BACKUP_S:
        return Check("backup", "old", "warn", days)
    return Check("backup", "ok")


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", "/admin/system", system_page, "admin"),
        Route("POST", "/admin/system/backup", backup, "admin"),
        Route("GET", "/admin/system/backups/{name}", download, "owner"),
    )
