"""Figures for Prometheus, in a registry of this application alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from bot.access import Route
from bot.http import Handler
from bot.services import SERVICES, Services

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """All figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "neurobot_http_requests",
            "Answered requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "neurobot_http_request_seconds",
            "Time to answer, event streams excepted.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.messages = Counter(
            "neurobot_messages", "Messages stored, in and out.", registry=self.registry
        )
        self.decisions = Counter(
            "neurobot_decisions",
            "Customers' messages by what was done with them.",
            ["decision"],
            registry=self.registry,
        )
        self.deliveries = Counter(
            "neurobot_deliveries",
            "Outgoing messages by what became of them.",
            ["state"],
            registry=self.registry,
        )
        self.suggestion_seconds = Histogram(
            "neurobot_suggestion_seconds",
            "Time to rank the answers of a message.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.gauges: dict[str, Gauge] = {}
        self._answered: dict[tuple[str, str, int], Counter] = {}

    def answered(self, method: str, route: str, status: int) -> None:
        """Count an answer."""
        key = (method, route, status)
        counter = self._answered.get(key)
        if counter is None:
            counter = self._answered[key] = self.requests.labels(method, route, str(status))
        counter.inc()

    def count(self, name: str, data: Any) -> None:
        """Count one event of the bus."""
        if name == "message.new":
            self.messages.inc()
        elif name == "delivery.changed":
            self.deliveries.labels(str(data.get("delivery", ""))).inc()
        elif name == "suggestions.ready":
            self.decisions.labels(str(data.get("decision", ""))).inc()
            if isinstance(data.get("elapsed_ms"), int | float):
                self.suggestion_seconds.observe(data["elapsed_ms"] / 1000)

    def set(self, name: str, value: float) -> None:
        """Set a gauge, made at its first use."""
        if name not in self.gauges:
            self.gauges[name] = Gauge(
                f"neurobot_{name}", name.replace("_", " "), registry=self.registry
            )
        self.gauges[name].set(value)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)


def metrics_middleware(metrics: Metrics) -> Middleware:
    """Middleware that counts what is answered; the outermost, so that errors count too."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        # the pattern, not the path: the number of figures stays bounded
        route = resource.canonical if resource is not None else "none"
        metrics.answered(request.method, route, response.status)
        if response.content_type != "text/event-stream":
            metrics.seconds.observe(time.perf_counter() - started)
        return response

    return middleware


async def listen(app: web.Application) -> AsyncIterator[None]:
    """Clean-up context: count the news of the bus while the application runs."""
    services, metrics = app[SERVICES], app[METRICS]

    async def count() -> None:
        while True:  # a subscription that fell behind ends; figures may miss some, never stop
            with services.bus.subscribe({"desk"}) as news:
                async for event in news:
                    metrics.count(event.name, event.data)
            await asyncio.sleep(0)

    task = asyncio.create_task(count(), name="metrics")
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def show(request: web.Request) -> web.Response:
    """All figures as text."""
    metrics = request.config_dict[METRICS]
    await _measure(request.config_dict[SERVICES], metrics)
    headers = {"Content-Type": CONTENT_TYPE_LATEST}
    return web.Response(body=generate_latest(metrics.registry), headers=headers)


async def _measure(services: Services, metrics: Metrics) -> None:
    metrics.set("uptime_seconds", max(0.0, services.clock() - services.started_at))
    metrics.set("interests_cpu_seconds", services.recommending.spent_s)
    metrics.set("bus_listeners", services.bus.listeners)
    metrics.set("outbox_due", len(await services.store.outbox.due(services.clock(), 1000)))
    for name, value in services.pipeline.health().items():
        if isinstance(value, int | float):
            metrics.set(f"pipeline_{name}", value)
    for name, value in services.intake.health().items():
        if isinstance(value, int | float):
            metrics.set(f"events_{name}", value)
    for name, value in services.store.health().items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            metrics.set(f"store_{name}", value)


ROUTES = (Route("GET", "/metrics", show, "local"),)
