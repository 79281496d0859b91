"""Everything that was built at the start, in one frozen object under one key.

Handlers read ``request.config_dict[SERVICES]``: a sub-application sees it there as well.
``build`` makes the parts and starts nothing; ``started`` runs them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from bot.bus import Bus
from bot.errors import NeurobotError
from bot.ports import Channel, Clock, SendFailed
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.delivery import Delivery
    from bot.learning.jobs import JobRunner
    from bot.live.intake import Intake
    from bot.pipeline import Pipeline
    from bot.recommending import Recommending
    from bot.serving import Serving
    from bot.shadow import Shadow
    from bot.store import Store
    from bot.webhooks import Sender

_LOG = logging.getLogger(__name__)


class Services(msgspec.Struct, frozen=True):
    """The parts of a running server."""

    settings: Settings
    store: Store
    serving: Serving
    pipeline: Pipeline
    delivery: Delivery
    bus: Bus
    channels: Mapping[str, Channel]
    jobs: JobRunner
    webhooks: Sender
    shadow: Shadow
    intake: Intake
    recommending: Recommending
    clock: Clock
    started_at: float


SERVICES: web.AppKey[Services] = web.AppKey("services")


class ChannelParts(msgspec.Struct, frozen=True):
    """What a channel may be built from."""

    settings: Settings
    store: Store
    pipeline: Pipeline
    bus: Bus
    clock: Clock


ChannelFactory = Callable[[ChannelParts], Channel]


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    channels: Sequence[ChannelFactory] = (),
    clock: Clock = time.time,
) -> AsyncIterator[Services]:
    """The parts, with the database open and the model loaded; nothing receives or sends yet.

    Raises:
        AlreadyRunning: another process holds the database.
        SettingsInvalid: the data folder cannot be used.
    """
    # here, so that modules which need the key alone do not load models and channels
    from bot.delivery import Delivery  # noqa: PLC0415
    from bot.learning.jobs import JobRunner  # noqa: PLC0415
    from bot.live.intake import Intake  # noqa: PLC0415
    from bot.pipeline import Pipeline  # noqa: PLC0415
    from bot.serving import Serving  # noqa: PLC0415
    from bot.shadow import Shadow  # noqa: PLC0415
    from bot.store import Store  # noqa: PLC0415
    from bot.webhooks import Sender, networks  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        store = Store.open(settings, clock)
        stack.push_async_callback(store.close)
        intake = Intake.open(settings, clock)
        stack.push_async_callback(intake.close)
        bus = stack.enter_context(closing(Bus()))
        serving = Serving(settings, store, clock)
        await serving.start()
        private = networks(settings.webhooks.private_networks)
        pipeline = Pipeline(settings, store, serving, bus, clock)
        parts = ChannelParts(settings, store, pipeline, bus, clock)
        by_name = {channel.name: channel for channel in (make(parts) for make in channels)}
        yield Services(
            settings=settings,
            store=store,
            serving=serving,
            pipeline=pipeline,
            delivery=Delivery(store, by_name, bus, clock),
            bus=bus,
            channels=by_name,
            jobs=JobRunner(settings, store, serving, bus, clock),
            webhooks=Sender(store, bus, clock, private=private),
            shadow=Shadow(store, serving, bus),
            intake=intake,
            recommending=_recommending(settings, store, bus, clock, intake),
            clock=clock,
            started_at=clock(),
        )


def _recommending(
    settings: Settings, store: Store, bus: Bus, clock: Clock, intake: Intake
) -> Recommending:
    from bot.recommending import Recommending  # noqa: PLC0415

    found = Recommending(settings, store, bus, clock, intake)
    intake.observers.append(found.observe)
    return found


@asynccontextmanager
async def started(services: Services) -> AsyncIterator[Services]:
    """Work while the context lasts: unfinished work first, then senders, then receivers.

    Stops in the opposite order, so that what was received is stored and what was stored is kept.
    A channel that cannot start is logged and shown by its ``health``; the others go on.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.serving.stop)
        for part in (
            services.jobs, services.shadow, services.pipeline, services.delivery, services.webhooks,
            services.recommending, services.intake,
        ):  # fmt: skip
            await part.start()
            stack.push_async_callback(part.stop)
        for channel in services.channels.values():
            stack.push_async_callback(channel.stop)
            try:
                await channel.start()
            except (OSError, SendFailed, NeurobotError):
                _LOG.exception("The channel %s did not start", channel.name)
        yield services
