"""Commands for the running server, over a unix socket beside the database.

Only the server writes to its database. A writing command of the command line is sent to it here,
or, where none runs, carried out in a process that takes the lock itself. The socket is open to its
owner alone, which is the whole of its access control.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from bot.errors import BadRequest, NeurobotError, NotFound, SettingsInvalid
from bot.http import decode, errors_middleware, json_response
from bot.services import SERVICES, Services, build
from bot.settings import Settings

Command = Callable[[Services, dict[str, Any]], Awaitable[dict[str, Any]]]

_MAX_BODY_BYTES = 256 * 1_048_576  # a whole import travels in one request
# A socket path has to fit into sockaddr_un: 108 bytes with the closing zero.
_MAX_PATH_BYTES = 107


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)


class NotRunning(ConnectionError):
    """No server answers on the socket."""


_COMMANDS: dict[str, Command] = {}


def register(name: str, command: Command) -> None:
    """Make ``command`` callable by ``name``.

    The one table of this module: filled by the composition root before anything runs.
    """
    _COMMANDS[name] = command


def registered() -> Mapping[str, Command]:
    """The commands known to this process."""
    return dict(_COMMANDS)


def run(settings: Settings, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a command, carried out by the running server or, if there is none, here.

    Raises:
        NeurobotError: the command failed; the same class as where it was raised.
        AlreadyRunning: a server holds the database and does not answer.
    """
    try:
        return call(settings, name, args)
    except NotRunning:
        return asyncio.run(_alone(settings, name, args))


def call(
    settings: Settings, name: str, args: Mapping[str, Any], *, timeout_s: float = 600.0
) -> dict[str, Any]:
    """The result of a command of the running server.

    Raises:
        NotRunning: no server answers on the socket.
        NeurobotError: the command failed; the same class as where it was raised.
    """
    connection = _UnixConnection(settings.control_path, timeout_s)
    try:
        connection.request(
            "POST",
            "/commands",
            msgspec.json.encode(_Call(name, dict(args))),
            {"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        body: dict[str, Any] = msgspec.json.decode(response.read())
    except (FileNotFoundError, NotADirectoryError, ConnectionError) as error:
        raise NotRunning(f"No server answers on {settings.control_path}.") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        raise _as_raised(body)
    return body


@asynccontextmanager
async def listening(services: Services) -> AsyncIterator[Path]:
    """The socket, open while the context lasts."""
    path = services.settings.control_path
    app = web.Application(middlewares=[errors_middleware()], client_max_size=_MAX_BODY_BYTES)
    app[SERVICES] = services
    app.router.add_post("/commands", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        # the lock on the database is ours: what lies there was left by a server that is gone
        path.unlink(missing_ok=True)
        await web.SockSite(runner, _private_socket(path)).start()
        yield path
    finally:
        await runner.cleanup()
        with suppress(OSError):
            path.unlink(missing_ok=True)


async def _answer(request: web.Request) -> web.Response:
    wanted = await decode(request, _Call, max_bytes=_MAX_BODY_BYTES)
    return json_response(await _perform(request.app[SERVICES], wanted.name, wanted.args))


async def _alone(settings: Settings, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
    async with build(settings) as services:
        return await _perform(services, name, dict(args))


async def _perform(services: Services, name: str, args: dict[str, Any]) -> dict[str, Any]:
    command = _COMMANDS.get(name)
    if command is None:
        raise NotFound(f"There is no command '{name}'.")
    try:
        return await command(services, args)
    except KeyError as error:
        raise BadRequest(f"The command '{name}' needs {error}.") from error


def _as_raised(body: Mapping[str, Any]) -> NeurobotError:
    """The error that a problem body describes, in its own class where that is known."""
    error = _class_of(str(body.get("code", "")))(str(body.get("detail") or "") or None)
    error.remedy = body.get("remedy")
    return error


def _class_of(code: str, kind: type[NeurobotError] = NeurobotError) -> type[NeurobotError]:
    for child in kind.__subclasses__():
        if child.code == code:
            return child
        found = _class_of(code, child)
        if found is not NeurobotError:
            return found
    return NeurobotError


def _short(path: Path) -> str:
    """``path`` so that it fits into a socket address.

    Raises:
        SettingsInvalid: even the path from the working folder is too long.
    """
    near = os.path.relpath(path)
    shortest = min(str(path), near, key=lambda text: len(os.fsencode(text)))
    if len(os.fsencode(shortest)) > _MAX_PATH_BYTES:
        raise SettingsInvalid(
            f"The path of the data folder is too long for a socket: {path}.",
            remedy="Choose a shorter data_dir.",
        )
    return shortest


def _private_socket(path: Path) -> socket.socket:
    """A bound socket that only its owner may open, from its first moment on."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        bound.bind(_short(path))
    finally:
        os.umask(mask)
    return bound


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(_short(self._path))
