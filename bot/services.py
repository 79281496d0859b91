"""Everything that was built at the start, in one frozen object under one key.

Handlers read ``request.config_dict[SERVICES]``: a sub-application sees it there as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from bot.bus import Bus
from bot.ports import Channel, Clock
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.delivery import Delivery
    from bot.learning.jobs import JobRunner
    from bot.pipeline import Pipeline
    from bot.serving import Serving
    from bot.store import Store


@dataclass(frozen=True)
class Services:
    """The parts of a running server."""

    settings: Settings
    store: Store
    serving: Serving
    pipeline: Pipeline
    delivery: Delivery
    bus: Bus
    channels: Mapping[str, Channel]
    jobs: JobRunner
    clock: Clock
    started_at: float


SERVICES: web.AppKey[Services] = web.AppKey("services")
