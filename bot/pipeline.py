"""The way of a message after it is stored: suggestions, decision, news; and again after a crash.

Everything here can be repeated: what was decided is stored before the message counts as processed,
so a message that a crash interrupted is simply taken again. What may be said is in ``bot.replies``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.bus import Bus
from bot.catalogue import Catalogue
from bot.domain import (
    Conversation,
    ConversationState,
    Decision,
    Inbound,
    Message,
    Receipt,
    Suggestions,
)
from bot.errors import Conflict, NeurobotError, StorageUnavailable
from bot.handover import Action
from bot.ports import Clock
from bot.replies import Response, Speaker, news_of, state_of, words_of, zone_of
from bot.serving import Serving
from bot.settings import Settings
from bot.store import HeldConversation, Store
from bot.store.settling import Asked
from nlp.text import guess_language

_LOG = logging.getLogger(__name__)

_BATCH = 16  # messages taken from the queue together
_AT_ONCE = 4  # texts scored between two turns of the event loop
_BACKLOG = 100_000  # unprocessed messages taken up at the start
_LONGEST_BURST = 5  # times the quiet time; who never stops writing is answered all the same
_RETRY_S = 1.0
_MOST_FAILURES = 5
_SNOOZE_TICK_S = 5.0
_STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A stored message that waits for its suggestions."""

    message_id: int
    conversation_id: int
    arrived: float  # time.perf_counter
    failures: int = 0


@dataclass(slots=True)
class _Burst:
    """Messages of one conversation that came close together."""

    arrivals: list[_Arrival]
    timer: asyncio.TimerHandle | None = None
    due: bool = False


@dataclass(slots=True)
class _Work:
    """One conversation's burst on its way through the models."""

    conversation: Conversation
    messages: Sequence[Message]  # in the order in which they were written
    arrivals: list[_Arrival]  # of each
    answered: int = 0  # how many of the first have their answer: edited later
    found: list[Suggestions] = field(default_factory=list)  # one per message, then one of the open

    @property
    def last(self) -> Message:
        return self.messages[-1]

    @property
    def open(self) -> Sequence[Message]:
        """Those that wait for an answer; all where none does."""
        return self.messages[self.answered :] or self.messages


class Pipeline:
    """Takes messages in and decides what happens to them.

    Raises:
        SettingsInvalid: ``hours.timezone`` names no time zone.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        serving: Serving,
        bus: Bus,
        clock: Clock,
        *,
        catalogue: Catalogue | None = None,
    ) -> None:
        zone_of(settings.hours)
        self._settings = settings
        self._store = store
        self._serving = serving
        self._bus = bus
        self._clock = clock
        self._speaker = Speaker(settings, clock, catalogue or Catalogue.load())
        self._queue: asyncio.Queue[_Arrival | None] = asyncio.Queue()
        self._bursts: dict[int, _Burst] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._elapsed_ms: deque[float] = deque(maxlen=512)
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    async def start(self) -> None:
        """Take up what a crash left unprocessed, then work."""
        self._stopping = False
        now = time.perf_counter()
        for message in await self._store.conversations.unprocessed(_BACKLOG):
            self._put(_Arrival(message.id, message.conversation_id, now))
        self._tasks = [
            asyncio.create_task(self._run(), name="pipeline"),
            asyncio.create_task(self._wake_snoozed(), name="snoozed"),
        ]

    async def stop(self) -> None:
        """Finish the batch at work; what still waits is stored and taken up at the next start."""
        self._stopping = True
        for burst in self._bursts.values():
            if burst.timer is not None:
                burst.timer.cancel()
        self._queue.put_nowait(None)
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=_STOP_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def receive(self, inbound: Inbound) -> Receipt:
        """Proof that the message is committed; its suggestions follow within milliseconds.

        Raises:
            StorageUnavailable: nothing was stored, so nothing may be acknowledged.
        """
        arrived = time.perf_counter()
        (receipt,) = await self._store.conversations.receive([inbound])
        self.receive_stored([receipt], arrived=arrived)
        return receipt

    def receive_stored(
        self, receipts: Sequence[Receipt | None], *, arrived: float | None = None
    ) -> None:
        """Publish and queue messages that a channel has committed itself.

        Args:
            receipts: in order; duplicates and None are passed over.
            arrived: ``time.perf_counter()`` when they reached the server, default now.
        """
        at = time.perf_counter() if arrived is None else arrived
        for receipt in receipts:
            if receipt is None or receipt.duplicate:
                continue
            data = {
                "conversation_id": receipt.conversation_id,
                "conversation": receipt.conversation_public_id,
                "message_id": receipt.message_id,
                "message": receipt.message_public_id,
            }
            self._bus.publish("desk", "message.new", data)
            self._bus.publish(f"conversation:{receipt.conversation_public_id}", "message", data)
            self._put(_Arrival(receipt.message_id, receipt.conversation_id, at))

    async def suggest(self, text: str, top_k: int = 0, language: str = "") -> Suggestions:
        """Suggestions for a text that belongs to no conversation; nothing is stored."""
        top_k = top_k or self._settings.answers.top_k
        return await self._serving.suggest(text, top_k, language=language)

    async def settled(self) -> None:
        """Wait until nothing is queued, at work or gathered in a burst."""
        await self._idle.wait()

    def health(self) -> dict[str, object]:
        """Queue lengths, and milliseconds from arrival to suggestions of the last 512."""
        ordered = sorted(self._elapsed_ms)
        middle = ordered[len(ordered) // 2] if ordered else None
        worst = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)] if ordered else None
        return {
            "queued": self._queue.qsize(),
            "gathering": len(self._bursts),
            "suggestion_ms_p50": middle,
            "suggestion_ms_p99": worst,
        }

    def _put(self, arrival: _Arrival) -> None:
        self._idle.clear()
        self._queue.put_nowait(arrival)

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            arrivals = [arrival for arrival in batch if arrival is not None]
            if self._stopping:
                return
            try:
                await self._process(arrivals)
            except StorageUnavailable as error:
                _LOG.warning("Suggestions wait for the disk: %s", error)
                self._again(arrivals)
            except Exception:  # noqa: BLE001 - the queue must outlive a bad message
                _LOG.exception("A batch of %d messages failed", len(arrivals))
                self._again(_failed_once_more(arrivals))
            if self._queue.empty() and not self._bursts:
                self._idle.set()
            await asyncio.sleep(0)

    def _again(self, arrivals: Sequence[_Arrival]) -> None:
        loop = asyncio.get_running_loop()
        for arrival in arrivals:
            # As a burst they count as waiting, and join what is gathered there already.
            burst = self._bursts.setdefault(arrival.conversation_id, _Burst([]))
            if all(arrival.message_id != known.message_id for known in burst.arrivals):
                burst.arrivals.append(arrival)
            if burst.timer is None:
                burst.timer = loop.call_later(_RETRY_S, self._ring, arrival.conversation_id)

    async def _process(self, arrivals: Sequence[_Arrival]) -> None:
        works, automatic = await self._take(arrivals)
        await self._score(works)
        results = await asyncio.gather(
            *(self._settle(work, automatic) for work in works), return_exceptions=True
        )
        for work, result in zip(works, results, strict=True):
            if isinstance(result, StorageUnavailable):
                self._again(work.arrivals)
            elif isinstance(result, BaseException):
                _LOG.error("Message %d was not settled", work.last.id, exc_info=result)
                self._again(_failed_once_more(work.arrivals))

    async def _take(self, arrivals: Sequence[_Arrival]) -> tuple[list[_Work], Mapping[str, float]]:
        """The bursts to settle now, and where the bot may answer; others wait for more of them."""
        gathered: dict[int, dict[int, _Arrival]] = {}
        for arrival in arrivals:
            key = arrival.conversation_id
            if key not in gathered:
                burst = self._bursts.get(key)
                gathered[key] = {one.message_id: one for one in burst.arrivals} if burst else {}
            gathered[key].setdefault(arrival.message_id, arrival)
        intake = await self._store.conversations.intake(
            {key: list(listed) for key, listed in gathered.items()}
        )
        works = []
        for key, listed in gathered.items():
            burst = self._bursts.pop(key, None)
            if burst is not None and burst.timer is not None:
                burst.timer.cancel()
            found = intake.asked.get(key)
            if found is None or not found.messages:  # erased meanwhile
                continue
            rung = burst is not None and burst.due
            may_wait = intake.automatic and not rung
            if not (may_wait and self._waits(key, list(listed.values()), found)):
                # An edit brings an old message again, after newer ones. What was answered stays
                # out of the question, or its answer would be given once more.
                answered = sum(message.id < found.answer_id for message in found.messages)
                ordered = [listed[message.id] for message in found.messages]
                works.append(_Work(found.conversation, found.messages, ordered, answered))
        return works, intake.automatic

    def _waits(self, conversation_id: int, arrivals: list[_Arrival], asked: Asked) -> bool:
        """True where more of the burst may come and it may be answered then."""
        wait_s = self._settings.answers.burst_quiet_s
        if wait_s <= 0 or asked.conversation.state is not ConversationState.BOT:
            return False
        age = time.perf_counter() - arrivals[0].arrived
        wait_s = min(wait_s, max(0.0, _LONGEST_BURST * wait_s - age))
        timer = asyncio.get_running_loop().call_later(wait_s, self._ring, conversation_id)
        self._bursts[conversation_id] = _Burst(arrivals, timer)
        return True

    def _ring(self, conversation_id: int) -> None:
        """The customer was quiet long enough."""
        burst = self._bursts.get(conversation_id)
        if burst is not None:
            burst.due = True
            burst.timer = None
            self._put(burst.arrivals[-1])

    async def _score(self, works: Sequence[_Work]) -> None:
        """Fill ``found`` of each burst: a pass of the models for a few texts of one language."""
        asked: dict[str, list[tuple[_Work, int, str]]] = {}
        for work in works:
            texts = [words_of(message) for message in work.messages]
            if len(texts) > 1:
                together = [words_of(message) for message in work.open]
                texts.append("\n".join(text for text in together if text.strip()))
            work.found = [_nothing("")] * len(texts)
            for place, text in enumerate(texts):
                language = guess_language(text) or work.conversation.language[:2]
                asked.setdefault(language, []).append((work, place, text))
        parts = [
            (language, entries[start : start + _AT_ONCE])
            for language, entries in asked.items()
            for start in range(0, len(entries), _AT_ONCE)
        ]
        for language, part in parts:
            texts = [text for _, _, text in part]
            found = await self._serving.turns.take(self._suggest_many, texts, language)
            done = time.perf_counter()
            for (work, place, _), suggestions in zip(part, found, strict=True):
                arrival = work.arrivals[min(place, len(work.arrivals) - 1)]
                waited_ms = (done - arrival.arrived) * 1e3
                work.found[place] = replace(suggestions, elapsed_ms=waited_ms)
                self._elapsed_ms.append(waited_ms)

    def _suggest_many(self, texts: Sequence[str], language: str) -> list[Suggestions]:
        try:
            return self._serving.answerer.suggest_many(
                texts, self._settings.answers.top_k, language=language
            )
        except Exception:  # noqa: BLE001 - a model at fault must not hide the message
            _LOG.exception("No suggestions for %d messages", len(texts))
            return [_nothing(language)] * len(texts)

    async def _settle(self, work: _Work, automatic: Mapping[str, float]) -> None:
        """Act on a burst and store its suggestions, which marks it processed, in one commit."""
        *earlier, last = work.messages
        together = work.found[-1]

        def settle(held: HeldConversation) -> Response:
            response = self._speaker.respond(held, work.open, together, automatic)
            for message, own in zip(earlier, work.found, strict=False):
                held.save_suggestions(message.id, own, Decision.SUGGEST)
            held.save_suggestions(last.id, together, response.decision)
            return response

        response = await self._store.conversations.settle(work.conversation.id, settle)
        for news in response.news:
            self._bus.publish(*news)
        data = {
            "conversation_id": work.conversation.id,
            "conversation": work.conversation.public_id,
            "message_id": last.id,
            "decision": str(response.decision),
            "elapsed_ms": together.elapsed_ms,
        }
        self._bus.publish("desk", "suggestions.ready", data)

    async def _wake_snoozed(self) -> None:
        while True:
            try:
                for conversation_id in await self._store.conversations.due_snoozed(self._clock()):
                    with contextlib.suppress(Conflict):  # somebody was faster
                        changed = await self._store.conversations.act(conversation_id, Action.WOKE)
                        state = state_of(changed)
                        for news in news_of(changed, "conversation.changed", "state", state):
                            self._bus.publish(*news)
            except NeurobotError as error:
                _LOG.warning("Snoozed conversations cannot be woken yet: %s", error)
            await asyncio.sleep(_SNOOZE_TICK_S)


def _failed_once_more(arrivals: Sequence[_Arrival]) -> list[_Arrival]:
    """Those worth another try; the others stay unprocessed in the database until the next start."""
    counted = [replace(arrival, failures=arrival.failures + 1) for arrival in arrivals]
    return [arrival for arrival in counted if arrival.failures < _MOST_FAILURES]


def _nothing(language: str) -> Suggestions:
    return Suggestions(
        categories=(),
        items=(),
        foreign=False,
        language=language,
        model_version=None,
        knowledge_revision=0,
        cold=True,
        elapsed_ms=0.0,
    )
