"""A model in the shadow: scores live questions that nobody is shown, and is compared fairly.

It works after the answer is stored, from the news on the bus, and never in its way: what comes
faster than it can be scored is left out and counted. Both models read the same text one right
after the other, so that nothing but the models differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from bot.answering import Answerer
from bot.bus import RESET, Bus
from bot.domain import Suggestions
from bot.errors import ArtefactDamaged, Conflict, NeurobotError
from bot.replies import words_of
from bot.serving import Serving
from bot.store import Store
from bot.store.records import ShadowScore
from nlp.comparison import betting
from nlp.text import guess_language

_LOG = logging.getLogger(__name__)

_BACKLOG: Final = 256
_TOP: Final = 5
_ALPHA: Final = 0.05  # of calling a difference that is none, however often one looks
_LEAST_PAIRS: Final = 10  # answered messages before anything is said
_SHOWN: Final = 20  # differences in a summary
_PRUNE_EVERY: Final = 1_000  # scores between two looks for old ones


class Differing(msgspec.Struct, frozen=True):
    """A message to which the two models say something else. Ids are articles; None: nothing."""

    message_id: int
    question: str
    champion_id: int | None
    champion_confidence: float
    shadow_id: int | None
    shadow_confidence: float
    accepted_id: int | None


class ShadowReport(msgspec.Struct, frozen=True):
    """What the shadow has shown so far.

    Attributes:
        scored: messages; ``agreement``: share with the same first suggestion (0..1).
        judged: messages for which an agent took an answer; the shares of them that each model had
            first are ``champion_hit_at_1`` and ``shadow_hit_at_1``.
        wins: judged messages that the shadow alone had first, ``losses``: the champion alone.
        e_value: evidence for a difference, ``best_e_value`` its highest; ``real_from`` makes it
            real.
        verdict: ``few``, ``undecided``, ``better`` or ``worse``; text under ``shadow.verdict.*``.
        dropped: messages left out since the start because there was no time.
        differing: newest first.
    """

    version: str
    champion: str
    scored: int
    agreement: float
    judged: int
    champion_hit_at_1: float
    shadow_hit_at_1: float
    wins: int
    losses: int
    e_value: float
    best_e_value: float
    real_from: float
    verdict: str
    dropped: int
    differing: tuple[Differing, ...]


class Shadow:
    """Scores along while a version is in the shadow.

    Attributes:
        dropped: messages left out since the start, because there was no time or a model was at
            fault.
    """

    def __init__(self, store: Store, serving: Serving, bus: Bus) -> None:
        self._store = store
        self._serving = serving
        self._bus = bus
        self._waiting: asyncio.Queue[int] = asyncio.Queue(_BACKLOG)
        self._version: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._warming: asyncio.Task[None] | None = None
        self._scored = 0
        self.dropped = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Go on with the version that was in the shadow; have the previous one at hand."""
        self._version = await self._store.shadow.version()
        self._warming = asyncio.create_task(self._serving.warm_previous(), name="shadow-warm")
        self._tasks = [
            asyncio.create_task(self._listen(), name="shadow-listen"),
            asyncio.create_task(self._work(), name="shadow-work"),
            self._warming,
        ]

    async def stop(self) -> None:
        """Stop; what waits is left out."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def put(self, version: str) -> None:
        """Put a version in the shadow.

        Raises:
            NotFound: there is no such version.
            Conflict: it is the live one.
            ArtefactDamaged: it cannot be used.
        """
        live = self._serving.bundle
        if live is not None and live.version == version:
            raise Conflict("This model is live; only another one can be its shadow.")
        await self._serving.beside(version)
        await self._store.shadow.put(version)
        self._version = version

    async def end(self) -> None:
        """No version scores along any more; its scores stay."""
        await self._store.shadow.put(None)
        self._version = None

    async def warmed(self) -> None:
        """Wait until the previous model is at hand."""
        if self._warming is not None:
            await asyncio.wait([self._warming])

    async def settled(self) -> None:
        """Wait until all that was told of is scored."""
        await asyncio.sleep(0)
        await self._idle.wait()

    async def report(self) -> ShadowReport | None:
        """What was found beside today's champion; None with no version in the shadow."""
        version, live = await self._store.shadow.version(), self._serving.bundle
        if version is None or live is None:
            return None
        scores = await self._store.shadow.scores(version, live.version)
        return summarise(version, live.version, scores, self.dropped)

    async def _listen(self) -> None:
        while True:
            with self._bus.subscribe({"desk"}) as news:
                async for event in news:
                    if event.name == RESET:
                        break
                    if event.name == "suggestions.ready" and self._version is not None:
                        self._offer(int(event.data["message_id"]))
                else:
                    return  # the bus was closed

    def _offer(self, message_id: int) -> None:
        try:
            self._waiting.put_nowait(message_id)
        except asyncio.QueueFull:
            self.dropped += 1
        else:
            self._idle.clear()

    async def _work(self) -> None:
        while True:
            message_id = await self._waiting.get()
            try:
                await self._score(message_id)
            except NeurobotError as error:
                self.dropped += 1
                _LOG.warning("The shadow could not score message %d: %s", message_id, error)
            except Exception:  # noqa: BLE001 - a model at fault must not end the comparison
                self.dropped += 1
                _LOG.exception("The shadow could not score message %d", message_id)
            if self._waiting.empty():
                self._idle.set()
            # Whatever else the loop has to do comes first.
            await asyncio.sleep(0)

    async def _score(self, message_id: int) -> None:
        version = self._version
        live, champion = self._serving.bundle, self._serving.answerer
        if version is None or live is None or version == live.version:
            return
        shadow = await self._answerer(version)
        message = await self._store.conversations.message(message_id)
        text = words_of(message)
        if shadow is None or not text.strip():
            return
        language = guess_language(text) or message.language[:2]
        # One after the other, so that nobody waits for both.
        theirs = await self._serving.turns.take(champion.suggest, text, _TOP, language=language)
        own = await self._serving.turns.take(shadow.suggest, text, _TOP, language=language)
        await self._store.shadow.save(
            ShadowScore(
                message_id, version, live.version, _ids(theirs), _confidence(theirs), _ids(own),
                _confidence(own), own.elapsed_ms,
            )
        )  # fmt: skip
        if self._scored % _PRUNE_EVERY == 0:
            await self._store.shadow.prune()
        self._scored += 1

    async def _answerer(self, version: str) -> Answerer | None:
        with contextlib.suppress(ArtefactDamaged):
            return await self._serving.beside(version)
        await self.end()
        _LOG.error("The model %s in the shadow is damaged and was taken out", version)
        return None


def summarise(
    version: str, champion: str, scores: Sequence[ShadowScore], dropped: int = 0
) -> ShadowReport:
    """The report on scores, oldest first."""
    judged = [score for score in scores if score.accepted_id is not None]
    own = [_first(score.shadow_ids) == score.accepted_id for score in judged]
    theirs = [_first(score.champion_ids) == score.accepted_id for score in judged]
    found = betting([new for new, old in zip(own, theirs, strict=True) if new != old])
    differing = [
        score for score in scores if _first(score.shadow_ids) != _first(score.champion_ids)
    ]
    verdict = "few" if len(judged) < _LEAST_PAIRS else "undecided"
    if found.best >= 1 / _ALPHA:
        verdict = "better" if found.wins > found.losses else "worse"
    return ShadowReport(
        version=version,
        champion=champion,
        scored=len(scores),
        agreement=1 - len(differing) / len(scores) if scores else 0.0,
        judged=len(judged),
        champion_hit_at_1=sum(theirs) / len(judged) if judged else 0.0,
        shadow_hit_at_1=sum(own) / len(judged) if judged else 0.0,
        wins=found.wins,
        losses=found.losses,
        e_value=found.e_value,
        best_e_value=found.best,
        real_from=1 / _ALPHA,
        verdict=verdict,
        dropped=dropped,
        differing=tuple(_differing(score) for score in differing[: -_SHOWN - 1 : -1]),
    )


def _differing(score: ShadowScore) -> Differing:
    return Differing(
        message_id=score.message_id,
        question=score.question,
        champion_id=_first(score.champion_ids),
        champion_confidence=score.champion_confidence,
        shadow_id=_first(score.shadow_ids),
        shadow_confidence=score.shadow_confidence,
        accepted_id=score.accepted_id,
    )


def _ids(found: Suggestions) -> tuple[int, ...]:
    return tuple(suggestion.answer_id for suggestion in found.items)


def _confidence(found: Suggestions) -> float:
    return found.items[0].confidence if found.items else 0.0


def _first(ids: Sequence[int]) -> int | None:
    return ids[0] if ids else None
