"""Outgoing webhooks: who is told what, and what became of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from admin.pages.frame import actor, audit, fields, go, number_in, page, services_of
from bot import ui
from bot.access import Route
from bot.errors import BadRequest, NotFound
from bot.http import query, row_id
from bot.store.webhook_outbox import STATES
from bot.store.webhooks import EVENTS, TEST, WebhookDelivery
from bot.webhooks import MAX_ATTEMPTS, checked_url

_HOME = "/admin/system/webhooks"
_PER_PAGE = 25
_MAX_NAME = 100
# A test is watched for so long before its page is shown as it is.
_TEST_WAIT_S = 3.0
_TEST_STEP_S = 0.05


class _Wish(msgspec.Struct, frozen=True):
    state: Literal["", "waiting", "sending", "delivered", "dead"] = ""
    event: str = ""
    page: str = "1"


async def list_page(request: web.Request) -> web.StreamResponse:
    """Every webhook with the state of its deliveries."""
    return page(
        request,
        "panel_webhooks.html",
        "system",
        webhooks=await services_of(request).store.webhooks.list(),
    )


async def new_page(request: web.Request) -> web.StreamResponse:
    """An empty form."""
    return _form(request, {"name": "", "url": ""}, ["message.created", "conversation.resolved"])


async def create(request: web.Request) -> web.StreamResponse:
    """Add a webhook and show its secret once."""
    given, events = await _given(request)
    problem = _problem(request, given, events)
    if problem:
        return _form(request, given, events, problem=problem)
    webhook_id, secret = await services_of(request).store.webhooks.create(
        given["name"], given["url"], events
    )
    await audit(request, "webhook.created", given["url"], {"events": list(events)})
    return await _shown(request, webhook_id, secret=secret)


async def edit_page(request: web.Request) -> web.StreamResponse:
    """The form of a webhook."""
    webhook = await services_of(request).store.webhooks.get(row_id(request))
    given = {"name": webhook.name, "url": webhook.url}
    return _form(request, given, webhook.events, webhook_id=webhook.id)


async def save(request: web.Request) -> web.StreamResponse:
    """Change a webhook."""
    webhook_id = row_id(request)
    await services_of(request).store.webhooks.get(webhook_id)
    given, events = await _given(request)
    problem = _problem(request, given, events)
    if problem:
        return _form(request, given, events, webhook_id=webhook_id, problem=problem)
    await services_of(request).store.webhooks.change(
        webhook_id, given["name"], given["url"], events
    )
    await audit(request, "webhook.changed", given["url"], {"events": list(events)})
    services_of(request).webhooks.wake()
    return go(f"{_HOME}/{webhook_id}", "webhook-saved")


async def webhook_page(request: web.Request) -> web.StreamResponse:
    """One webhook and its deliveries by filter."""
    return await _shown(request, row_id(request))


async def pause(request: web.Request) -> web.StreamResponse:
    """Stop telling, or go on."""
    webhook_id = row_id(request)
    active = (await fields(request)).get("active") == "1"
    await services_of(request).store.webhooks.pause(webhook_id, active=active)
    await audit(request, "webhook.resumed" if active else "webhook.paused", str(webhook_id))
    services_of(request).webhooks.wake()
    return go(f"{_HOME}/{webhook_id}", "webhook-resumed" if active else "webhook-paused")


async def renew_secret(request: web.Request) -> web.StreamResponse:
    """Another secret, shown once."""
    webhook_id = row_id(request)
    secret = await services_of(request).store.webhooks.renew_secret(webhook_id)
    await audit(request, "webhook.secret", str(webhook_id))
    return await _shown(request, webhook_id, secret=secret)


async def remove(request: web.Request) -> web.StreamResponse:
    """Forget a webhook."""
    webhook_id = row_id(request)
    webhooks = services_of(request).store.webhooks
    url = (await webhooks.get(webhook_id)).url
    await webhooks.remove(webhook_id)
    await audit(request, "webhook.removed", url)
    return go(_HOME, "webhook-removed")


async def test(request: web.Request) -> web.StreamResponse:
    """Send a test event and show what came of it."""
    webhook_id, services = row_id(request), services_of(request)
    delivery_id = await services.store.webhooks.test(webhook_id, actor(request))
    await audit(request, "webhook.tested", str(webhook_id))
    await _first_try(request, delivery_id)
    return go(f"{_HOME}/{webhook_id}/deliveries/{delivery_id}")


async def delivery_page(request: web.Request) -> web.StreamResponse:
    """What was sent, and each answer."""
    delivery = await _delivery(request)
    webhooks = services_of(request).store.webhooks
    _, attempts = await webhooks.delivery(delivery.id)
    return page(
        request,
        "panel_delivery.html",
        "system",
        webhook=await webhooks.get(delivery.webhook_id),
        delivery=delivery,
        attempts=attempts,
        most=MAX_ATTEMPTS,
        body=json.dumps(json.loads(delivery.body), ensure_ascii=False, indent=2),
    )


async def replay(request: web.Request) -> web.StreamResponse:
    """Send one delivery again."""
    delivery = await _delivery(request)
    await services_of(request).store.webhooks.replay(delivery.id)
    await audit(request, "webhook.replayed", delivery.public_id)
    await _first_try(request, delivery.id, before=delivery.finished_at)
    return go(f"{_HOME}/{delivery.webhook_id}/deliveries/{delivery.id}", "webhook-replayed")


async def replay_dead(request: web.Request) -> web.StreamResponse:
    """Send every dead delivery of a webhook again."""
    webhook_id = row_id(request)
    number = await services_of(request).store.webhooks.replay_dead(webhook_id)
    await audit(request, "webhook.replayed-dead", str(webhook_id), {"deliveries": number})
    services_of(request).webhooks.wake()
    return go(f"{_HOME}/{webhook_id}", "webhook-replayed-dead", count=number)


async def _shown(request: web.Request, webhook_id: int, *, secret: str = "") -> web.Response:
    wish = query(request, _Wish)
    webhooks = services_of(request).store.webhooks
    found = await webhooks.deliveries(
        webhook_id,
        state=wish.state,
        event=wish.event,
        page=number_in(wish.page, 1, 100_000, 1),
        per_page=_PER_PAGE,
    )
    kept = {name: value for name in ("state", "event") if (value := getattr(wish, name))}
    base = f"{_HOME}/{webhook_id}"
    return page(
        request,
        "panel_webhook.html",
        "system",
        webhook=await webhooks.get(webhook_id),
        deliveries=found,
        wish=wish,
        filtered=bool(kept),
        base_url=f"{base}?{urlencode(kept)}" if kept else base,
        states=[(one, ui.translate(request, f"panel.webhooks.state.{one}")) for one in STATES],
        events=(*EVENTS, TEST),
        secret=secret,
    )


def _form(
    request: web.Request,
    given: dict[str, str],
    events: Sequence[str],
    *,
    webhook_id: int | None = None,
    problem: str = "",
) -> web.Response:
    return page(
        request,
        "panel_webhook_form.html",
        "system",
        status=422 if problem else 200,
        problem=problem,
        form=given,
        chosen=events,
        events=EVENTS,
        webhook_id=webhook_id,
    )


async def _given(request: web.Request) -> tuple[dict[str, str], list[str]]:
    given = await fields(request)
    events = [event for event in EVENTS if given.get(f"event.{event}") == "1"]
    return {"name": given.get("name", ""), "url": given.get("url", "")}, events


def _problem(request: web.Request, given: dict[str, str], events: Sequence[str]) -> str:
    """What keeps the form from being stored, in the person's language."""
    if not events:
        return ui.translate(request, "panel.webhooks.problem.events")
    if not given["name"] or len(given["name"]) > _MAX_NAME:
        return ui.translate(request, "panel.webhooks.problem.name")
    try:
        checked_url(given["url"], services_of(request).settings.webhooks.private_networks)
    except BadRequest as error:
        return ui.translate(request, f"panel.webhooks.problem.{error.detail}")
    return ""


async def _delivery(request: web.Request) -> WebhookDelivery:
    delivery, _ = await services_of(request).store.webhooks.delivery(row_id(request, "delivery"))
    if delivery.webhook_id != row_id(request):
        raise NotFound("There is no such delivery.")
    return delivery


async def _first_try(request: web.Request, delivery_id: int, before: float | None = None) -> None:
    """Wait shortly for an answer newer than ``before``."""
    services = services_of(request)
    services.webhooks.wake()
    for _ in range(int(_TEST_WAIT_S / _TEST_STEP_S)):
        _, attempts = await services.store.webhooks.delivery(delivery_id)
        if attempts and (before is None or attempts[0].at > before):
            return
        await asyncio.sleep(_TEST_STEP_S)


def routes() -> tuple[Route, ...]:
    """Routes of these pages."""
    one = rf"{_HOME}/{{id:\d+}}"
    delivery = rf"{one}/deliveries/{{delivery:\d+}}"
    return (
        Route("GET", _HOME, list_page, "admin"),
        Route("GET", f"{_HOME}/new", new_page, "admin"),
        Route("POST", _HOME, create, "admin"),
        Route("GET", one, webhook_page, "admin"),
        Route("POST", one, save, "admin"),
        Route("GET", f"{one}/edit", edit_page, "admin"),
        Route("POST", f"{one}/pause", pause, "admin"),
        Route("POST", f"{one}/secret", renew_secret, "admin"),
        Route("POST", f"{one}/remove", remove, "admin"),
        Route("POST", f"{one}/test", test, "admin"),
        Route("POST", f"{one}/replay-dead", replay_dead, "admin"),
        Route("GET", delivery, delivery_page, "admin"),
        Route("POST", f"{delivery}/replay", replay, "admin"),
    )
