"""Customers: finding a person, seeing what is stored of them, erasing it for good."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import actor, go, number_in, page, services_of
from bot import erasure, ui
from bot.access import Route
from bot.errors import Conflict
from bot.http import query

_PER_PAGE = 25


class _Wish(msgspec.Struct, frozen=True):
    query: Annotated[str, msgspec.Meta(max_length=200)] = ""
    page: str = "1"


async def list_page(request: web.Request) -> web.StreamResponse:
    """Customers, those who wrote last first."""
    wish = query(request, _Wish)
    found = await services_of(request).store.erasing.customers(
        wish.query, number_in(wish.page, 1, 100_000, 1), _PER_PAGE
    )
    return page(
        request,
        "panel_customers.html",
        "customers",
        page=found,
        wish=wish,
        base_url=f"/admin/customers?{urlencode({'query': wish.query})}",
    )


async def customer_page(request: web.Request) -> web.StreamResponse:
    """What is stored of one customer, and where it stands."""
    return await _page(request)


async def erase(request: web.Request) -> web.StreamResponse:
    """Take the customer out of everything, and say what was found afterwards."""
    services = services_of(request)
    reference = request.match_info["id"]
    customer = await services.store.erasing.customer(reference)
    try:
        report = await erasure.erase(services, reference, actor=actor(request))
    except Conflict:
        return await _page(request, problem=ui.translate(request, "panel.customers.training"))
    if not (report.found or report.bundles or report.backups):
        return go("/admin/customers", "customer-erased", name=erasure.label(customer)[:80])
    return page(request, "panel_customer.html", "customers", report=report, looked=True, name="",
                customer=None)  # fmt: skip


async def _page(request: web.Request, *, problem: str = "") -> web.Response:
    services = services_of(request)
    looked = request.query.get("look") == "1"
    report = await erasure.preview(services, request.match_info["id"], look=looked)
    customer = await services.store.erasing.customer(report.customer)
    return page(
        request,
        "panel_customer.html",
        "customers",
        status=409 if problem else 200,
        problem=problem,
        report=report,
        looked=looked,
        name=erasure.label(customer),
        customer=customer,
    )


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    return (
        Route("GET", "/admin/customers", list_page, "admin"),
        Route("GET", "/admin/customers/{id}", customer_page, "admin"),
        Route("POST", "/admin/customers/{id}/erase", erase, "admin"),
    )
