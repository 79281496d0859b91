"""A table of one's own: upload, see what was understood, choose the target, train."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from admin.pages.frame import audit, go, page, services_of
from admin.pages.insight_pictures import warnings_of
from admin.pages.insights import FLAGS, HOME
from admin.pages.uploads import find, keep
from admin.scoring.orders import TableOrders, Understood
from admin.scoring.work import INSIGHTS
from bot import ui
from bot.access import Route
from bot.http import form
from bot.multipart import Field

_DROP: Final = "drop."
_CHILD: Final = "admin.scoring.understanding"
_PATIENCE_S: Final = 120.0


async def upload_page(request: web.Request) -> web.StreamResponse:
    """The form for a file."""
    return _page(request)


async def look(request: web.Request) -> web.StreamResponse:
    """What was understood of the upload, with the target that was chosen so far."""
    given = await form(request)
    upload = given.get("file")
    if isinstance(upload, web.FileField) and upload.filename:
        name, _ = await keep(request, upload)
        orders = TableOrders(Path(upload.filename).name[:100])
    else:
        name, orders = str(given.get("upload", "")), _orders(given)
    path = find(request, name)
    if path is None:
        return _page(request, ui.translate(request, "panel.insights.table.no-file"))
    found = await _understood(path, orders)
    return _page(request, found.problem, upload=name, orders=orders, found=found)


async def train(request: web.Request) -> web.StreamResponse:
    """Learn from the table that was looked at."""
    target = request.match_info["target"]
    given = await form(request)
    name, orders = str(given.get("upload", "")), _orders(given)
    if find(request, name) is None:
        return _page(request, ui.translate(request, "panel.insights.table.gone"))
    if not orders.column:
        return await look(request)
    params = {"target": target, "upload": name, "table": msgspec.to_builtins(orders)}
    job, fresh = await services_of(request).jobs.submit(INSIGHTS, params)
    if fresh:
        await audit(request, "insights.started", target, {"job": job.id, "table": orders.name})
    return go(f"{HOME}/{target}")


def _page(
    request: web.Request,
    problem: str = "",
    *,
    upload: str = "",
    orders: TableOrders | None = None,
    found: Understood | None = None,
) -> web.Response:
    return page(
        request,
        "panel_insight_table.html",
        "customers",
        status=422 if problem else 200,
        problem=problem,
        target=request.match_info["target"],
        upload=upload,
        orders=orders,
        found=found,
        warnings=warnings_of(request, found.warnings) if found is not None else [],
        prefix=_DROP,
    )


def _orders(given: Mapping[str, Field]) -> TableOrders:
    texts = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
    return TableOrders(
        name=texts.get("name", "")[:100],
        column=texts.get("column", ""),
        positive=texts.get("positive", ""),
        id_column=texts.get("id_column", ""),
        drop=tuple(value for name, value in texts.items() if name.startswith(_DROP)),
        subjects="company" if texts.get("subjects") == "company" else "customer",
    )


async def _understood(path: Path, orders: TableOrders) -> Understood:
    """Read by a process of its own: a large table takes seconds."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _CHILD, str(path), msgspec.json.encode(orders).decode(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return msgspec.json.decode(said, type=Understood)


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    table = f"{HOME}/{{target:{'|'.join(FLAGS)}}}/table"
    return (
        Route("GET", table, upload_page, "admin"),
        Route("POST", table, look, "admin"),
        Route("POST", f"{table}/train", train, "admin"),
    )
