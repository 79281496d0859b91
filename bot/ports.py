"""What the server needs from the outside, as protocols named for their use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from bot.domain import Inbound, OutboxRow, Receipt

Clock = Callable[[], float]
Receive = Callable[[Inbound], Awaitable[Receipt]]

BLOCKED = "blocked"  # reason of a failure: the customer wants no messages, so none is tried again


class SendFailed(Exception):
    """A channel could not deliver.

    Attributes:
        final: True when trying again cannot help (blocked, chat not found).
        retry_after_s: earliest next try where the channel named one (429).
        uncertain: the request left and no answer came: it may have arrived.
        reason: stable word for the desk's text, e.g. ``blocked``, ``chat-not-found``, ``network``.
    """

    def __init__(
        self,
        reason: str,
        *,
        final: bool = False,
        retry_after_s: float | None = None,
        uncertain: bool = False,
    ) -> None:
        self.reason = reason
        self.final = final
        self.retry_after_s = retry_after_s
        self.uncertain = uncertain
        super().__init__(reason)


class Channel(Protocol):
    """A way to a customer."""

    name: str
    exactly_once: bool  # True: sending again with the same outbox id cannot repeat the message

    async def start(self) -> None:
        """Connect and begin to receive."""

    async def stop(self) -> None:
        """Stop receiving; everything received is stored."""

    async def send(self, row: OutboxRow) -> str | None:
        """Deliver one message and give the channel's id of it.

        Raises:
            SendFailed: with what is known of the reason.
        """

    async def typing(self, recipient: str) -> None:
        """Show the customer that somebody writes; failures are ignored."""

    async def fetch(self, reference: str, max_bytes: int) -> bytes:
        """Bytes of a file the customer sent.

        Raises:
            SendFailed: the file is gone or larger than ``max_bytes``.
        """

    def health(self) -> dict[str, object]:
        """For the panel: ``state`` (off, connecting, live, failing), ``last_error``, counts."""
