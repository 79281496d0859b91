"""The way out: outbox rows to channels, marked before the call, in order, never twice by itself.

One loop takes what is due, one row per conversation and eight at a time. A row whose answer is not
known is ``uncertain`` and waits for a person. What a channel is lies behind ``bot.ports.Channel``.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.bus import Bus
from bot.domain import Delivery as State
from bot.domain import OutboxRow
from bot.errors import StorageUnavailable
from bot.ports import Channel, Clock, SendFailed
from bot.queueing import STORAGE_RETRY_S, QueueLoop
from bot.store import Store

_LOG = logging.getLogger(__name__)

OUTBOX = "outbox"  # topic of "there is something to send"

_PARALLEL = 8
_SEND_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 10.0
_MAX_WAIT_S = 30.0
_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 300.0
_CHANNEL_OFF_S = 60.0
_MAX_ATTEMPTS = 20  # about an hour of a channel that is down


class Delivery:
    """Sends what the outbox holds.

    Args:
        store: the outbox.
        channels: by name; may be filled until ``start``.
        bus: gets ``delivery.changed`` for the desk and for the conversation.
        clock: now, UTC epoch seconds.
        jitter: gives 0..1; spreads retries.
    """

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        bus: Bus,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._channels = channels
        self._bus = bus
        self._clock = clock
        self._jitter = jitter
        self._queue = QueueLoop("delivery", self._step, bus, {OUTBOX})
        self._sending: dict[int, asyncio.Task[None]] = {}  # by conversation
        self._marking = 0  # rows on their way to SENDING
        self.sent = 0

    async def start(self) -> None:
        """Settle what a crash left, then send.

        A row that was in flight goes back to the queue where the channel cannot repeat it, and
        becomes ``uncertain`` elsewhere.
        """
        for name, channel in self._channels.items():
            if channel.exactly_once:
                await self._store.outbox.recover_exactly_once(name)
        left = await self._store.outbox.recover()
        if left:
            _LOG.warning("%d deliveries were in flight at the last stop and are uncertain", left)
        self._queue.start()

    async def stop(self) -> None:
        """Send nothing new; wait for what is in flight, at most 10 s."""
        self._queue.hold()
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_STOP_TIMEOUT_S)
        for task in self._sending.values():
            task.cancel()
        await self._queue.stop()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    def wake(self) -> None:
        """Look at the outbox now."""
        self._queue.wake()

    def health(self) -> dict[str, object]:
        """Counts for the panel."""
        return {"in_flight": len(self._sending) + self._marking, "sent": self.sent}

    async def _step(self) -> float:
        """Start what is due; seconds until the next look."""
        free = _PARALLEL - len(self._sending)
        if free <= 0:
            return _MAX_WAIT_S  # a finished send wakes the loop
        now = self._clock()
        # Rows of busy conversations may fill the head of the list.
        due = await self._store.outbox.due(now, free + len(self._sending))
        ready = [row for row in due if row.conversation_id not in self._sending][:free]
        if ready and not self._queue.stopping:
            await self._start(ready, now)
            return 0.0
        at = await self._store.outbox.next_due_at()
        if at is None:
            return _MAX_WAIT_S
        # The row at the head may belong to a busy conversation, whose end wakes the loop.
        least = 0.005 if not self._sending else 0.05
        return min(max(at - self._clock(), least), _MAX_WAIT_S)

    async def _start(self, ready: list[OutboxRow], now: float) -> None:
        self._marking = len(ready)
        try:
            started = await self._store.outbox.start([row.id for row in ready], now)
        finally:
            self._marking = 0
        at_once = [row for row in started if self._repeatable(row)]
        for rows in (at_once, *([row] for row in started if row not in at_once)):
            if rows:
                task = asyncio.create_task(self._deliver(rows), name=f"send-{rows[0].id}")
                self._sending.update((row.conversation_id, task) for row in rows)
        alive = {row.id for row in started}
        for row in ready:
            if row.id not in alive:
                # Cancelled, undone meanwhile, or refused for a customer who blocked the bot.
                left = await self._store.conversations.message(row.message_id)
                self._publish(row, left.delivery or State.CANCELLED, left.delivery_error or "")

    def _repeatable(self, row: OutboxRow) -> bool:
        """True where sending takes no time and may be repeated: such rows leave together."""
        channel = self._channels.get(row.channel)
        return channel is not None and channel.exactly_once

    async def _deliver(self, rows: Sequence[OutboxRow]) -> None:
        """Send rows of different conversations one after the other, then mark what was taken."""
        try:
            taken: dict[int, str | None] = {}
            for row in rows:
                await self._send(row, taken)
            if taken:
                self.sent += len(taken)
                await self._mark(self._store.outbox.finish_together, taken)
            for row in rows:
                if row.id in taken:
                    self._publish(row, State.SENT)
        finally:
            for row in rows:
                self._sending.pop(row.conversation_id, None)
            self._queue.wake()

    async def _send(self, row: OutboxRow, taken: dict[int, str | None]) -> None:
        """Give a row to its channel, and note in ``taken`` that it has it, or mark what failed."""
        outbox = self._store.outbox
        channel = self._channels.get(row.channel)
        if channel is None:
            await self._failed(row, SendFailed("channel-off", retry_after_s=_CHANNEL_OFF_S))
            return
        try:
            async with asyncio.timeout(_SEND_TIMEOUT_S):
                taken[row.id] = await channel.send(row)
        except SendFailed as failure:
            await self._failed(row, failure)
        except TimeoutError:
            await self._mark(outbox.uncertain, row.id, "timeout")
            self._publish(row, State.UNCERTAIN, "timeout")
        except Exception as error:  # noqa: BLE001 - unknown whether it left: a person decides
            # The type alone: the text of a foreign error may hold a secret.
            _LOG.error("%s: sending row %d broke: %s", row.channel, row.id, type(error).__name__)
            await self._mark(outbox.uncertain, row.id, "internal")
            self._publish(row, State.UNCERTAIN, "internal")

    async def _failed(self, row: OutboxRow, failure: SendFailed) -> None:
        outbox = self._store.outbox
        if failure.uncertain:
            await self._mark(outbox.uncertain, row.id, failure.reason)
            self._publish(row, State.UNCERTAIN, failure.reason)
            return
        final = failure.final or row.attempts >= _MAX_ATTEMPTS
        retry_at = None if final else self._clock() + self._pause_s(row.attempts, failure)
        await self._mark(outbox.fail, row.id, failure.reason, final, retry_at)
        self._publish(row, State.FAILED if final else State.QUEUED, failure.reason)

    def _pause_s(self, attempts: int, failure: SendFailed) -> float:
        """Seconds to the next try: what the channel asked for, else doubling with jitter."""
        if failure.retry_after_s is not None:
            return failure.retry_after_s
        longest = min(_FIRST_RETRY_S * 2.0 ** min(attempts, 16), _LAST_RETRY_S)
        return longest * (0.5 + 0.5 * self._jitter())

    async def _mark(self, write: Callable[..., Awaitable[object]], *args: object) -> None:
        """Store the result, however long the disk needs; nothing else tells what happened."""
        while True:
            try:
                await write(*args)
            except StorageUnavailable as error:
                _LOG.warning("The result of a delivery cannot be stored yet: %s", error)
                await asyncio.sleep(STORAGE_RETRY_S)
            else:
                return

    def _publish(self, row: OutboxRow, state: State, reason: str = "") -> None:
        data = {
            "conversation_id": row.conversation_id,
            "message_id": row.message_id,
            "outbox_id": row.id,
            "delivery": str(state),
            "error": reason,
        }
        self._bus.publish("desk", "delivery.changed", data)
        self._bus.publish(f"conversation:{row.conversation_public_id}", "delivery.changed", data)
