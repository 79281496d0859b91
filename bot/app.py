"""The server: parts, routes and channels put together, started and stopped in the right order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from bot import access, api, control, desk, http, logs, memory, streams, ui
from bot.access import Route, add_routes
from bot.api import events as events_api
from bot.api.event_lane import EventLanes
from bot.api.metrics import METRICS, Metrics, listen, metrics_middleware
from bot.api.schema import describe
from bot.catalogue import Catalogue
from bot.channels import web as web_chat
from bot.channels.rest import RestChannel
from bot.clock import SteadyClock, followed
from bot.domain import Role
from bot.errors import SettingsInvalid
from bot.limits import KEEPALIVE_S, Reaper
from bot.ports import Channel, Clock
from bot.services import SERVICES, ChannelFactory, ChannelParts, Services, build, started
from bot.settings import HttpSettings, Settings
from bot.shedding import shedding_middleware

_LOG = logging.getLogger(__name__)

Extra = Callable[[web.Application], None]

_STATIC = Path(__file__).parent / "static"
_SHUTDOWN_S = 8.0
_LINGERING_S = 2.0  # how long the rest of a refused body is still read, so that the answer arrives
_FIRST_LINK_TTL_S = 86_400.0
_HEADERS = (http.security_headers, web_chat.add_cors_headers, events_api.add_cors_headers)


class Running(msgspec.Struct, frozen=True):
    """A server that answers. ``url`` is how this machine reaches it."""

    services: Services
    app: web.Application
    url: str


def create_app(
    services: Services,
    *,
    extra: Sequence[Extra] = (),
    templates: Sequence[Path] = (),
    navigation: Sequence[ui.NavigationItem] = (),
) -> web.Application:
    """The application with everything the server itself offers.

    Args:
        services: the parts.
        extra: called with the application to add more, e.g. the operator's panel.
        templates: folders with templates of ``extra``.
        navigation: its places in the head of the page.
    """
    settings = services.settings
    metrics = Metrics()
    app = web.Application(
        middlewares=[
            http.request_id_middleware(),
            metrics_middleware(metrics),
            shedding_middleware(),
            http.errors_middleware(),
        ],
        client_max_size=settings.http.max_body_bytes,
    )
    app[SERVICES] = services
    app[METRICS] = metrics
    app[http.MAX_BODY_BYTES] = settings.http.max_body_bytes
    app[http.MAX_UPLOAD_BYTES] = settings.http.max_upload_bytes
    app[http.SECURE] = bool(settings.http.tls_cert) or _is_https(settings.http.public_url)
    streams.setup(app)
    app.cleanup_ctx.append(listen)
    app.on_response_prepare.extend(_HEADERS)
    app.on_shutdown.append(_end_streams)
    access.setup(app, services)
    ui.setup(
        app,
        catalogue=Catalogue.load(),
        who=access.who,
        templates=templates,
        navigation=navigation,
        default_language=settings.language,
        clock=services.clock,
    )
    add_routes(app, _routes(settings))
    for add in extra:
        add(app)
    return app


def openapi_document() -> dict[str, Any]:
    """The description of the REST API, without a running server."""
    return describe((*api.ROUTES, *web_chat.routes()))


@asynccontextmanager
async def build_services(
    settings: Settings, *, clock: Clock = time.time
) -> AsyncIterator[Services]:
    """The running parts with all channels of the settings; stopped in order at the end.

    Raises:
        AlreadyRunning: another server holds the database.
        SettingsInvalid: the data folder cannot be used.
    """
    async with (
        build(settings, channels=_channels(settings), clock=clock) as services,
        started(services),
    ):
        yield services


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    extra: Sequence[Extra] = (),
    templates: Sequence[Path] = (),
    navigation: Sequence[ui.NavigationItem] = (),
    clock: Clock = time.time,
) -> AsyncIterator[Running]:
    """A server that answers while the context lasts; requests in flight are finished at the end.

    Raises:
        SettingsInvalid: the address may not or cannot be bound.
        AlreadyRunning: another server holds the database.
    """
    tls = check_binding(settings.http)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(build_services(settings, clock=clock))
        await stack.enter_async_context(control.listening(services))
        app = create_app(services, extra=extra, templates=templates, navigation=navigation)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=_LINGERING_S,
            shutdown_timeout=_SHUTDOWN_S,
            handle_signals=False,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        if runner.server is not None:
            reaper = Reaper(runner.server)
            reaper.start()
            stack.push_async_callback(reaper.stop)
        port = await stack.enter_async_context(_listening(runner, settings.http, tls))
        yield Running(services, app, _url(settings.http, port, tls))


def serve(
    settings: Settings,
    *,
    extra: Sequence[Extra] = (),
    templates: Sequence[Path] = (),
    navigation: Sequence[ui.NavigationItem] = (),
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsInvalid, AlreadyRunning: as ``running``.
    """
    memory.keep_together()
    logs.configure(settings, context=http.REQUEST_ID.get)
    asyncio.run(_serve(settings, extra, templates, navigation))


async def _serve(
    settings: Settings,
    extra: Sequence[Extra],
    templates: Sequence[Path],
    navigation: Sequence[ui.NavigationItem],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = SteadyClock()
    async with (
        running(
            settings, extra=extra, templates=templates, navigation=navigation, clock=clock
        ) as server,
        followed(clock, server.services),
    ):
        memory.settle()
        print(f"Neurobot answers on {server.url}", file=sys.stderr, flush=True)  # noqa: T201
        await _offer_first_link(server, navigation[0].href if navigation else "")
        await stop.wait()
        _LOG.info("Stopping: requests in flight are finished")


async def _offer_first_link(server: Running, first_page: str) -> None:
    """Where nobody owns the server yet, print the link that makes its first visitor the owner.

    It leads to ``first_page``, or to the account where that is empty.
    """
    people = server.services.store.people
    if any(agent.role is Role.OWNER for agent in await people.agents()):
        return
    token = await people.one_time_link(None, _FIRST_LINK_TTL_S)
    base = server.services.settings.http.public_url.rstrip("/") or server.url
    print(  # noqa: T201 - to the person at the terminal, not into the log
        f"Nobody owns this server yet. Open this link once to become its owner:\n"
        f"{base}/sign-in/link/{token}{f'?next={first_page}' if first_page else ''}",
        file=sys.stderr,
        flush=True,
    )


def check_binding(settings: HttpSettings) -> ssl.SSLContext | None:
    """The TLS context, or None for plain http where that is safe.

    Raises:
        SettingsInvalid: plain http on an address that other machines reach, or the certificate
            cannot be used.
    """
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise SettingsInvalid("Settings: http.tls_cert and http.tls_key belong together.")
    if settings.tls_cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise SettingsInvalid(
                f"The certificate {settings.tls_cert} cannot be used: {error}.",
                remedy="http.tls_cert and http.tls_key are PEM files that belong together.",
            ) from error
        return context
    if not _is_loopback(settings.host) and not settings.trusted_proxies:
        raise SettingsInvalid(
            f"Refusing to serve plain http on {settings.host}: passwords could be read on the way.",
            remedy=(
                "Set http.tls_cert and http.tls_key, or put a proxy in front and name it in "
                "http.trusted_proxies, or listen on 127.0.0.1."
            ),
        )
    return None


def _routes(settings: Settings) -> list[Route]:
    files = http.static_files(_STATIC)
    found = [
        Route("GET", "/static/{path:.+}", files, "public", limited=False),
        Route("GET", "/{path:(?:widget|events)\\.js}", files, "public", limited=False),
        *api.ROUTES,
        *desk.routes(),
        *web_chat.routes(),
    ]
    if settings.telegram.mode == "webhook":
        from bot.channels import telegram  # noqa: PLC0415 - half a second, where it is used

        found += telegram.routes()
    return found


def _channels(settings: Settings) -> list[ChannelFactory]:
    found: list[ChannelFactory] = [
        lambda parts: RestChannel(),  # noqa: ARG005
        lambda parts: web_chat.WebChannel(parts.bus.publish),
    ]
    if settings.telegram.mode != "off":
        found.append(_telegram)
    return found


def _telegram(parts: ChannelParts) -> Channel:
    from bot.channels.telegram import TelegramChannel  # noqa: PLC0415 - half a second

    return TelegramChannel(parts.settings, parts.store, parts.pipeline, parts.clock)


async def _end_streams(app: web.Application) -> None:
    """Event streams would otherwise hold the end of the server up."""
    app[SERVICES].bus.close()


@asynccontextmanager
async def _listening(
    runner: web.AppRunner, settings: HttpSettings, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Connections come in while the context lasts; gives the port."""
    if runner.server is None:
        raise RuntimeError("the runner is not set up")
    lanes = EventLanes(runner.app, runner.server, idle_s=KEEPALIVE_S)
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(
            lanes, settings.host, settings.port, ssl=tls, backlog=1024
        )
    except OSError as error:
        raise SettingsInvalid(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.",
            remedy="Choose another http.port, or stop the program that uses it.",
        ) from error
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await lanes.close(_SHUTDOWN_S)


def _url(settings: HttpSettings, port: int, tls: ssl.SSLContext | None) -> str:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_https(url: str) -> bool:
    return url.startswith("https://")
