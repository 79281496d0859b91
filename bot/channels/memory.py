"""A channel without another side: for tests, the demonstration and the replay of recorded talks."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque

from bot.domain import Inbound, OutboxRow
from bot.ports import Clock, Receive, SendFailed


class MemoryChannel:
    """Keeps what is sent; ``script`` makes it misbehave.

    Attributes:
        sent: rows that arrived, in order.
        tried: rows that ``send`` was called with.
        script: what the next calls of ``send`` do: None delivers, an exception is raised.
        gate: closed (``clear``) it keeps ``send`` waiting.
        files: bytes by reference, for ``fetch``.
        typings: recipients that were shown typing.
    """

    def __init__(self, name: str = "memory", *, exactly_once: bool = False) -> None:
        self.name = name
        self.exactly_once = exactly_once
        self.sent: list[OutboxRow] = []
        self.tried: list[OutboxRow] = []
        self.script: deque[BaseException | None] = deque()
        self.gate = asyncio.Event()
        self.gate.set()
        self.files: dict[str, bytes] = {}
        self.typings: list[str] = []
        self._numbers = itertools.count(1)
        self._state = "off"

    async def start(self) -> None:
        """Go live."""
        self._state = "live"

    async def stop(self) -> None:
        """Go off."""
        self._state = "off"

    async def send(self, row: OutboxRow) -> str | None:
        """Keep the row and number it.

        Raises:
            SendFailed: or whatever the script says.
        """
        self.tried.append(row)
        await self.gate.wait()
        failure = self.script.popleft() if self.script else None
        if failure is not None:
            raise failure
        if self.exactly_once and any(known.id == row.id for known in self.sent):
            return f"{self.name}-{row.id}"
        self.sent.append(row)
        return f"{self.name}-{row.id}"

    async def typing(self, recipient: str) -> None:
        """Note it."""
        self.typings.append(recipient)

    async def fetch(self, reference: str, max_bytes: int) -> bytes:
        """The bytes under ``reference``.

        Raises:
            SendFailed: there are none, or too many.
        """
        found = self.files.get(reference)
        if found is None:
            raise SendFailed("file-gone", final=True)
        if len(found) > max_bytes:
            raise SendFailed("file-too-large", final=True)
        return found

    def health(self) -> dict[str, object]:
        """State and count."""
        return {"state": self._state, "last_error": "", "sent": len(self.sent)}

    def message(self, text: str, *, customer: str = "customer", now: float = 0.0) -> Inbound:
        """A new message of a customer."""
        return Inbound(
            channel=self.name,
            external_id=f"{customer}:{next(self._numbers)}",
            customer_external_id=customer,
            customer_name=customer.title(),
            text=text,
            received_at=now,
        )

    async def say(
        self, receive: Receive, clock: Clock, text: str, customer: str = "customer"
    ) -> Inbound:
        """Hand a new message of a customer to ``receive``, and give it."""
        inbound = self.message(text, customer=customer, now=clock())
        await receive(inbound)
        return inbound
