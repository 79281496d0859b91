"""Commands for the running server, over a unix socket beside the database.

Only the server writes to its database. A writing command of the command line is sent to it here, or,
where none runs, carried out in a process that takes the lock itself. The socket is readable by its
owner alone, which is the whole of its access control.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from bot.access import ACCESS, Access
from bot.errors import NeurobotError, NotFound
from bot.http import decode, errors_middleware, json_response
from bot.services import SERVICES, Services
from bot.settings import Settings

_LOG = logging.getLogger(__name__)

Command = Callable[[Services, dict[str, Any]], Awaitable[dict[str, Any]]]

_MAX_BODY_BYTES = 256 * 1_048_576  # a whole import travels in one request
# A socket path has to fit into sockaddr_un: 108 bytes with the closing zero.
_MAX_PATH_BYTES = 107


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    args: dict[str, Any] = msgspec.field(default_factory=dict)


class Unreachable(NeurobotError):
    """No server runs on this data folder."""

    code = "not-running"


class CommandFailed(NeurobotError):
    """The running server refused the command."""

    code, exit_code = "command-failed", 1

    def __init__(self, detail: str, *, remedy: str | None, refusal: str, exit_code: int) -> None:
        super().__init__(detail, remedy=remedy)
        self.refusal = refusal
        self.failed_exit_code = exit_code
