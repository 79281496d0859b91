"""Asking Telegram about a token before anything is built on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from telegram.error import InvalidToken, TelegramError
from telegram.ext import ExtBot
from telegram.request import HTTPXRequest

from bot.channels.telegram_log import Redaction

_SHAPE = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}")
_TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """What Telegram says of a token.

    Attributes:
        problem: empty, or a stable word: ``shape``, ``unauthorized``, ``network``.
        name, username: of the bot.
        webhook_url: where updates are pushed; empty while they are fetched.
        pending: updates that wait.
        last_error: of the last push, as Telegram words it, with its time.
    """

    problem: str = ""
    name: str = ""
    username: str = ""
    webhook_url: str = ""
    pending: int = 0
    last_error: str = ""
    last_error_at: float | None = None


async def check_token(token: str, api_url: str) -> TokenCheck:
    """Who the token belongs to and the state of its webhook; changes nothing there."""
    if not _SHAPE.fullmatch(token):
        return TokenCheck("shape")
    redaction = Redaction((token,))
    redaction.attach()  # the client writes the address with the token into its log
    try:
        return await _ask(token, api_url)
    except InvalidToken:
        return TokenCheck("unauthorized")
    except TelegramError:
        return TokenCheck("network")
    finally:
        redaction.detach()


async def _ask(token: str, api_url: str) -> TokenCheck:
    request = HTTPXRequest(
        connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S, pool_timeout=_TIMEOUT_S
    )
    async with ExtBot(token, base_url=api_url, request=request) as bot:
        webhook = await bot.get_webhook_info()
        failed_at = webhook.last_error_date
        return TokenCheck(
            name=bot.first_name,
            username=bot.username,
            webhook_url=webhook.url,
            pending=webhook.pending_update_count,
            last_error=webhook.last_error_message or "",
            last_error_at=failed_at.timestamp() if failed_at else None,
        )
