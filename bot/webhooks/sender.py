"""The way out of webhook deliveries: marked, sent, tried again later, dead after too many tries.

One loop takes what is due, a few at a time for each webhook, so that a slow receiver holds up
nobody else. A delivery in flight at a crash is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.bus import Bus
from bot.errors import StorageUnavailable
from bot.ports import Clock
from bot.queueing import STORAGE_RETRY_S, QueueLoop
from bot.store import Store
from bot.store.webhook_outbox import Attempt, Parcel
from bot.webhooks.guard import AddressRefused, Guard, Network
from bot.webhooks.signing import HEADER, signature

_LOG = logging.getLogger(__name__)

MAX_ATTEMPTS = 10  # about a day with the waits below
_FIRST_RETRY_S = 5.0
_RETRY_FACTOR = 4.0
_LAST_RETRY_S = 12 * 3600.0
_PARALLEL = 16
_PARALLEL_EACH = 4
_POLL_S = 2.0  # rows appear by triggers, of which the bus does not always know
_STOP_TIMEOUT_S = 3.0
_TIMEOUT = aiohttp.ClientTimeout(total=10.0, sock_connect=5.0)
_MAX_RESPONSE_BYTES = 65_536
_EXCERPT = 2_000
_KEPT_S = 30 * 86_400.0
_REST_S = 0.05  # any event may have made a row; most have not
_PRUNE_S = 3600.0
_GONE = 410


class Sender:
    """Sends what the triggers queued.

    Args:
        store: the queue.
        bus: any event may mean news.
        clock: now, UTC epoch seconds.
        private: networks inside that webhooks may reach.
        jitter: gives 0..1; spreads retries.
        resolver: of names; the system's by default.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        *,
        private: tuple[Network, ...] = (),
        jitter: Callable[[], float] = random.random,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._queue = store.webhooks
        self._clock = clock
        self._private = private
        self._jitter = jitter
        self._resolver = resolver
        self._loop = QueueLoop("webhooks", self._step, bus, lambda _: True, rest_s=_REST_S)
        self._flying: dict[asyncio.Task[None], int] = {}  # to the webhook's id
        self._sessions: dict[str, aiohttp.ClientSession] = {}  # by scheme
        self._pruned_at = 0.0

    async def start(self) -> None:
        """Take up what a crash left in flight, then send."""
        left = await self._queue.recover()
        if left:
            _LOG.info("%d webhook deliveries were in flight at the last stop", left)
        self._loop.start()

    async def stop(self) -> None:
        """Send nothing new; what is in flight has a moment, the rest waits for the next start."""
        await self._loop.stop()
        if self._flying:
            await asyncio.wait(self._flying, timeout=_STOP_TIMEOUT_S)
        flying = list(self._flying)
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()
        self._sessions = {}

    def wake(self) -> None:
        """Look at the queue now."""
        self._loop.wake()

    async def _step(self) -> float:
        """Start what is due; seconds until the next look."""
        now = self._clock()
        if now - self._pruned_at > _PRUNE_S:
            await self._queue.prune(now - _KEPT_S)
            self._pruned_at = now
        count = Counter(self._flying.values())
        free = _PARALLEL - count.total()
        if free <= 0:
            return _POLL_S
        busy = [webhook for webhook, number in count.items() if number >= _PARALLEL_EACH]
        due = await self._queue.due(now, free, busy)
        if due:
            for parcel in await self._queue.begin(due):
                task = asyncio.create_task(self._send(parcel))
                self._flying[task] = parcel.webhook_id
                task.add_done_callback(self._landed)
            return 0.01
        at = await self._queue.next_due_at()
        return _POLL_S if at is None else min(max(at - self._clock(), 0.05), _POLL_S)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.pop(task, None)
        self._loop.wake()

    async def _send(self, parcel: Parcel) -> None:
        started = time.perf_counter()
        status, error, response, wait_s = None, "", "", 0.0
        try:
            status, response, wait_s = await self._post(parcel)
            error = "" if 200 <= status < 300 else "redirect" if status < 400 else "status"
        except TimeoutError:
            error = "timeout"
        except aiohttp.ClientSSLError:
            error = "tls"
        except aiohttp.ClientConnectorError as problem:
            refused = isinstance(problem.os_error, AddressRefused)
            error = "address-refused" if refused else "network"
        except (aiohttp.ClientError, OSError, ValueError):
            error = "network"
        except Exception:  # noqa: BLE001 - a row must never stay in flight
            _LOG.exception("The webhook delivery %d failed", parcel.id)
            error = "network"
        now = self._clock()
        elapsed_ms = round((time.perf_counter() - started) * 1000)
        attempt = Attempt(now, status, error, elapsed_ms, response)
        await self._note(parcel, attempt, self._retry_at(parcel, attempt, now, wait_s))

    async def _note(self, parcel: Parcel, attempt: Attempt, retry_at: float | None) -> None:
        """Write the outcome down, however long the disk is full: else it would be sent again."""
        while True:
            try:
                await self._queue.finish(parcel.id, attempt, retry_at=retry_at)
            except StorageUnavailable:
                await asyncio.sleep(STORAGE_RETRY_S)
            else:
                return

    async def _post(self, parcel: Parcel) -> tuple[int, str, float]:
        """Status, beginning of the answer, and seconds that the receiver asks to wait."""
        timestamp = int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Neurobot-Webhook",
            "X-Neurobot-Event": parcel.event,
            "X-Neurobot-Delivery": parcel.public_id,
            HEADER: signature(parcel.secrets, timestamp, parcel.body),
        }
        session = self._session(parcel.url.partition(":")[0].lower())
        async with session.post(
            parcel.url, data=parcel.body, headers=headers, allow_redirects=False
        ) as answer:
            text = await _beginning(answer)
            asked = answer.headers.get("Retry-After", "")
            wait_s = float(asked) if asked.isascii() and asked.isdigit() else 0.0
            return answer.status, text, wait_s

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        if scheme not in self._sessions:
            guard = Guard(self._private, public=scheme == "https")
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=guard.connector(self._resolver),
                timeout=_TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[scheme]

    def _retry_at(
        self, parcel: Parcel, attempt: Attempt, now: float, wait_s: float
    ) -> float | None:
        """When to try again; None when it arrived or is given up."""
        if not attempt.error or attempt.status == _GONE or parcel.attempt >= MAX_ATTEMPTS:
            return None
        backoff = min(_LAST_RETRY_S, _FIRST_RETRY_S * _RETRY_FACTOR ** (parcel.attempt - 1))
        spread = backoff * (0.5 + 0.5 * self._jitter())
        return now + max(spread, min(wait_s, _LAST_RETRY_S))


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """The first words of the answer; its status counts even where they never come."""
    taken = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        while len(taken) < _MAX_RESPONSE_BYTES:
            more = await answer.content.read(_MAX_RESPONSE_BYTES - len(taken))
            if not more:
                break
            taken += more
        else:
            answer.close()  # longer than anybody will read
    return taken.decode("utf-8", "replace")[:_EXCERPT]
