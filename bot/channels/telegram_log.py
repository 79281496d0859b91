"""What the Bot API client and its HTTP library write to the log, without secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterable

_LOGGERS = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "telegram.Bot",
    "telegram.ext.ExtBot",
    "telegram.ext.AIORateLimiter",
    "telegram.request.HTTPXRequest",
)


class Redaction(logging.Filter):
    """Takes secrets out of the lines that the HTTP library and the Bot API client write."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if secret)

    def clean(self, text: str) -> str:
        """``text`` with ``***`` for each secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line; a traceback that may show a secret is dropped from it."""
        text = record.getMessage()
        cleaned = self.clean(text)
        if cleaned != text:
            record.msg, record.args = cleaned, ()
        record.exc_info = record.exc_text = None
        return True

    def attach(self) -> None:
        """Watch the loggers of the libraries."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def detach(self) -> None:
        """Leave them alone again."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)
