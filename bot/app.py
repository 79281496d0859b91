"""The server: parts, routes and channels put together, started and stopped in the right order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from bot import access, api, control, desk, http, logs, ui
from bot.access.routes import Route, add_routes
from bot.api.metrics import METRICS, Metrics, listen, metrics_middleware
from bot.api.schema import describe
from bot.catalogue import Catalogue
from bot.channels import web as web_chat
from bot.channels.rest import RestChannel
from bot.errors import SettingsInvalid
from bot.limits import KEEPALIVE_S, Reaper
from bot.ports import Channel, Clock
from bot.services import SERVICES, ChannelFactory, ChannelParts, Services, build, started
from bot.settings import Settings
