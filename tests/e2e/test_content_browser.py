"""A customer looks at products; the agent's card knows it and sends one with a key; the page shows."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from playwright.async_api import expect

from bot.event import PAGE_VIEW, Event

pytestmark = pytest.mark.browser
