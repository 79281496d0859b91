"""The REST channel: other programs bring messages in and read the replies by polling.

Sending only marks the row as sent: the reply is already where the program reads it.
"""

from __future__ import annotations

from bot.domain import OutboxRow
from bot.ports import SendFailed

NAME = "rest"


class RestChannel:
    """Replies to customers whose messages came through ``POST /api/v1/messages``."""

    name = NAME
    exactly_once = True

    def __init__(self) -> None:
        self._sent = 0

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send(self, row: OutboxRow) -> str | None:
        """The row's own id: repeating it changes nothing."""
        self._sent += 1
        return f"outbox-{row.id}"

    async def typing(self, recipient: str) -> None:
        """Programs are not told."""

    async def fetch(self, reference: str, max_bytes: int) -> bytes:
        """This channel carries no files.

        Raises:
            SendFailed: always.
        """
        del reference, max_bytes
        raise SendFailed("no-files", final=True)

    def health(self) -> dict[str, object]:
        """State for the panel."""
        return {"state": "live", "last_error": "", "sent": self._sent}
