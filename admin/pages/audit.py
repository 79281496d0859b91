"""The audit log: who did what and when, as a page and as a file; and whether it is whole."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import audit, number_in, page, services_of
from admin.pages.tables import csv_response
from bot import ui
from bot.access import Route
from bot.errors import BadRequest
from bot.http import query
from bot.store.audit import AuditWish

_HOME = "/admin/system/audit"
_PER_PAGE = 50
_MAX_EXPORT = 100_000


class _Wish(msgspec.Struct, frozen=True):
    who: str = ""
    what: str = ""
    text: str = ""
    since: str = ""  # days as the browser's date field gives them
    until: str = ""
    page: str = "1"


async def audit_page(request: web.Request) -> web.StreamResponse:
    """Entries by filter, newest first."""
    wish = query(request, _Wish)
    people = services_of(request).store.people
    entries = await people.audit_log(
        number_in(wish.page, 1, 100_000, 1), _PER_PAGE, _filter(request, wish)
    )
    actors, actions = await people.audit_words()
    kept = {name: value for name, value in msgspec.structs.asdict(wish).items() if value}
    kept.pop("page", None)
    return page(
        request,
        "panel_audit.html",
        "system",
        entries=entries,
        wish=wish,
        filtered=bool(kept),
        actors=actors,
        actions=[(action, said(request, action)) for action in actions],
        said=lambda action: said(request, action),
        details=_details,
        broken=await people.verify_audit(),
        base_url=f"{_HOME}?{urlencode(kept)}" if kept else _HOME,
        export_url=f"{_HOME}.csv?{urlencode(kept)}" if kept else f"{_HOME}.csv",
    )


async def export(request: web.Request) -> web.StreamResponse:
    """The entries of the filter as CSV, newest first."""
    people = services_of(request).store.people
    found = await people.audit_log(1, _MAX_EXPORT, _filter(request, query(request, _Wish)))
    await audit(request, "audit.exported", str(len(found.items)))
    rows = [
        (
            entry.id,
            datetime.fromtimestamp(entry.at, ui.viewer_for(request).timezone).isoformat(
                timespec="seconds"
            ),
            entry.actor,
            entry.action,
            entry.subject,
            json.dumps(entry.detail, ensure_ascii=False) if entry.detail else "",
        )
        for entry in found.items
    ]
    return csv_response("audit", ("id", "at", "actor", "action", "subject", "detail"), rows)


def said(request: web.Request, action: str) -> str:
    """What was done in words; the code itself for an action of a later release."""
    try:
        return ui.translate(request, f"panel.audit.action.{action}")
    except KeyError:
        return action


def _details(detail: dict[str, Any]) -> str:
    return " · ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in detail.items()
    )


def _filter(request: web.Request, wish: _Wish) -> AuditWish:
    zone = ui.viewer_for(request).timezone
    since, until = _midnight(wish.since, zone), _midnight(wish.until, zone, days=1)
    return AuditWish(wish.who, wish.what, wish.text.strip(), since, until)


def _midnight(day: str, zone: tzinfo, days: int = 0) -> float | None:
    """Start of that day where the person is, ``days`` later.

    Raises:
        BadRequest: no day of the calendar.
    """
    if not day:
        return None
    try:
        found = date.fromisoformat(day) + timedelta(days=days)
        return datetime(found.year, found.month, found.day, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest("A day is written like 2026-02-28.") from None


def routes() -> tuple[Route, ...]:
    """Routes of this page."""
    return (
        Route("GET", _HOME, audit_page, "admin"),
        Route("GET", f"{_HOME}.csv", export, "admin"),
    )
