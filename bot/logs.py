"""What is written to standard error: one line a record, with the request's id, without secrets.

Modules log through ``logging.getLogger(__name__)``; only this one configures. Texts of customers
are never logged at INFO or above.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import IO

from bot.settings import LogSettings, Settings

# They log addresses with tokens in them, or more than anybody reads.
_QUIET = ("httpx", "httpcore", "telegram", "aiohttp.access", "hpack", "asyncio", "faiss")
_PATTERNS = (
    (re.compile(r"\d{5,12}:[A-Za-z0-9_-]{20,}"), "***"),  # a Telegram bot token
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9_.~+/=-]+"), r"\1***"),
    (re.compile(r"(/sign-in/link/)[^\s\"'?]+"), r"\1***"),
    (re.compile(r"((?:__Host-)?neurobot=)[A-Za-z0-9_.~+/=-]{16,}"), r"\1***"),
)
_SHORTEST_SECRET = 6


class Redactor:
    """Takes secrets out of a text: known shapes, and the values that the settings hold."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """``text`` with ``***`` in place of each secret."""
        if self._known is not None:
            text = self._known.sub("***", text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


class ConsoleFormatter(logging.Formatter):
    """``21:04:05 INFO    bot.app [request]: text``."""

    def __init__(self, redact: Redactor, context: Callable[[], str]) -> None:
        super().__init__()
        self._redact = redact
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback on the following lines."""
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        context = self._context()
        where = f"{record.name} [{context}]" if context else record.name
        text = f"{at} {record.levelname:<7} {where}: {_one_line(record.getMessage())}"
        trace = _trace(self, record)
        return self._redact(f"{text}\n{trace}" if trace else text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, request_id, trace."""

    def __init__(self, redact: Redactor, context: Callable[[], str]) -> None:
        super().__init__()
        self._redact = redact
        self._context = context

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        row: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(record.getMessage()),
        }
        if context := self._context():
            row["request_id"] = context
        if trace := _trace(self, record):
            row["trace"] = self._redact(trace)
        return json.dumps(row, ensure_ascii=False)


class _OurHandler(logging.StreamHandler[IO[str]]):
    """The one handler of this product; found again when it is configured anew."""


def configure(
    settings: Settings,
    *,
    context: Callable[[], str] = lambda: "",
    stream: IO[str] | None = None,
) -> None:
    """Send every record to standard error (or ``stream``) in the chosen form.

    Args:
        settings: level, form, and the secrets that must not appear.
        context: gives the id of the request being answered, or an empty text.
        stream: where to write.
    """
    redact = Redactor((settings.telegram.token, settings.telegram.webhook_secret))
    handler = _OurHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.log, redact, context))
    root = logging.getLogger()
    for old in [known for known in root.handlers if isinstance(known, _OurHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log.level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(
    settings: LogSettings, redact: Redactor, context: Callable[[], str]
) -> logging.Formatter:
    kind = JsonFormatter if settings.format == "json" else ConsoleFormatter
    return kind(redact, context)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _one_line(text: str) -> str:
    """Control characters made visible: a record cannot forge the next one."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
