"""Events in: what one costs the server, and whether all that were acknowledged are stored."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from admin.bench.event_load import Connections, Load, Requests
from admin.bench.load import quantiles
from admin.bench.process import cpu_s
from admin.bench.served import Serving, serving
from bot.services import Services

_STORED = "neurobot_events_stored"
_LEARNING = "neurobot_interests_cpu_seconds"
_BEACON = 20  # events; what the script of a site sends at most
_SHORT_S = 10.0


@dataclass(frozen=True)
class Plan:
    """How much, and how long; rates in events a second."""

    rate: float
    seconds: float
    burst: float
    clients: int


async def bench(plan: Plan, *, tell: Callable[[str], None]) -> dict[str, Any]:
    """Figures by phase, and ``lost``: acknowledged events that are not stored.

    ``cpu_us`` of a phase is the server's processor time an event without ``learning_us``, what
    profiles of interests took of it: pages are learnt and recommended, see ``bench content``.
    """
    async with serving(_nothing) as server:
        phases: dict[str, Any] = {}
        acknowledged = 0
        shortly = min(plan.seconds, _SHORT_S)
        for name, size, rate, seconds in (
            ("single", 1, 0.0, shortly),
            ("beacons", _BEACON, 0.0, shortly),
            ("sustained", 1, plan.rate, plan.seconds),
            ("sustained beacons", _BEACON, plan.rate, shortly),
            ("burst", 1, plan.burst, shortly),
        ):
            tell(name)
            phases[name] = await _phase(server, plan.clients, size, rate, seconds)
            acknowledged += phases[name]["acknowledged"]
        stored = int(await _metric(server, _STORED))
    return {
        "phases": phases,
        "acknowledged": acknowledged,
        "stored": stored,
        "lost": acknowledged - stored,
    }


async def _phase(
    server: Serving, clients: int, size: int, rate: float, seconds: float
) -> dict[str, Any]:
    load = Load()
    connections = Connections(load, Requests(server.token, size))
    await connections.open(server.port, clients)
    learnt = await _metric(server, _LEARNING)
    before, began = cpu_s(server.pid), os.times().elapsed
    if rate:
        await connections.at_rate(rate, seconds)
    else:
        await connections.closed(seconds)
    spent, elapsed = cpu_s(server.pid) - before, os.times().elapsed - began
    connections.close()
    learning = await _metric(server, _LEARNING) - learnt
    p50, p99 = quantiles(load.waits_ms) if load.waits_ms else (0.0, 0.0)
    return {
        "events_per_request": size,
        "acknowledged": load.acknowledged,
        "refused": load.refused,
        "per_second": load.acknowledged / elapsed,
        "cpu_us": (spent - learning) / max(1, load.acknowledged) * 1e6,
        "learning_us": learning / max(1, load.acknowledged) * 1e6,
        "cores": spent / elapsed,
        "p50_ms": p50,
        "p99_ms": p99,
    }


async def _metric(server: Serving, name: str) -> float:
    async with server.session.get("/metrics") as reply:
        found = re.search(rf"^{name} (\S+)$", await reply.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def _nothing(services: Services) -> None:
    del services
