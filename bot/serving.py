"""The models that answer now: loaded after verification, swapped by one assignment.

A bundle (classifier, encoder and correction of one training) goes live as a whole. A damaged one
is never used: the previous one takes its place, then lexical search alone; ``problem`` says why.
The candidate index follows knowledge edits, for the live bundle and the one before it, so that a
roll back needs no rebuilding. Training is elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

import msgspec

from bot.answering import Answerer
from bot.bundles import PROBE, Bundle, load_bundle
from bot.candidates import CandidateIndex
from bot.domain import Suggestions
from bot.entries import KnowledgeItem
from bot.errors import ArtefactDamaged, NotFound
from bot.index_files import Indexed, IndexFiles, changes
from bot.items import read_items
from bot.memory import give_back
from bot.ports import Clock
from bot.settings import Settings
from bot.store import Store
from bot.turns import Turns
from index.ann import Device

_LOG = logging.getLogger(__name__)

# Articles put into the index before messages get their turn again.
_CHUNK = 20
# Changes of more articles than this, and than a tenth of all, are indexed anew in a thread: merging
# them into an index that is searched would hold everybody up for seconds.
_MANY = 500


# Changes after which the file of the index is written anew, or a fiftieth of all if more.
_EDITS = 200


class _Live(msgspec.Struct, frozen=True, eq=False):
    """A bundle (None: cold) with the index built by its encoder."""

    bundle: Bundle | None
    indexed: Indexed

    @property
    def index(self) -> CandidateIndex:
        return self.indexed.index

    @property
    def version(self) -> str | None:
        return self.bundle.version if self.bundle is not None else None


class Serving:
    """Owns the live models and keeps them in step with the knowledge base.

    Attributes:
        answerer: the current one; take the reference once per message.
        problem: why a wanted model is not live, empty when all is well.
        swapping: held while the live model and its alias in the database change together.
        turns: taken by all that lets a model compute.
    """

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._changing = asyncio.Lock()
        self.swapping = asyncio.Lock()
        self.turns = Turns()
        self._files = IndexFiles(settings, store)
        self._edits = 0  # that the files of the indexes do not hold
        self._writing: asyncio.Task[None] | None = None
        self._live = _Live(None, Indexed(CandidateIndex(None, settings.answers.device), {}))
        self._previous: _Live | None = None
        self._challenger: _Live | None = None
        self._ready: _Live | None = None  # does not follow the knowledge base yet
        self.problem = ""
        self.answerer = self._answerer(self._live, 0)

    @property
    def bundle(self) -> Bundle | None:
        """The live bundle; None on a cold start."""
        return self._live.bundle

    @property
    def device(self) -> Device:
        """Where vectors are searched, and why there."""
        return self._live.index.device

    async def suggest(self, text: str, top_k: int, *, language: str = "") -> Suggestions:
        """What the live models say to one question; see ``Answerer.suggest``."""
        # Looked up in its turn: the models may have changed places while it waited.
        return await self.turns.take(lambda: self.answerer.suggest(text, top_k, language=language))

    async def start(self) -> None:
        """Load the champion, or what can be loaded instead."""
        await self.reload()
        if self._files.unclean:
            self._writing = asyncio.create_task(self.forget())
        else:
            self._edited(self._live.indexed.changed)

    async def stop(self) -> None:
        """End what goes on in the background."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def reload(self, version: str | None = None) -> None:
        """Make a version live; None: the champion of the database.

        With None a damaged champion is replaced by the previous one, then by a cold start. The
        last live bundle stays warm.

        Raises:
            ArtefactDamaged: the named version cannot be used; nothing changed.
            NotFound: the named version is not registered.
        """
        if version is None:
            live, problem = await self._best()
        else:
            live, problem = await self._prepare(version), ""
        async with self._changing:
            live = self._at_hand(live.version) or live
            # Who is at hand has followed every edit already.
            followed = any(live is warm for warm in self._warmed())
            revision = self.answerer.revision if followed else await self._catch_up(live)
            if live is self._challenger:
                self._challenger = None
            self._ready = None
            if live.version != self._live.version:
                self._previous = self._live if self._live.bundle is not None else self._previous
            if self._previous is not None and self._previous.version == live.version:
                self._previous = None
            self._live, self.problem = live, problem
            self.answerer = self._answerer(live, revision)
        if problem:
            _LOG.error("%s", problem)

    async def prepare(self, version: str) -> None:
        """Load a version and index the articles for it, so that ``reload`` takes no time.

        Raises:
            ArtefactDamaged: the version cannot be used.
            NotFound: it is not registered.
        """
        self._ready = await self._prepare(version)

    async def beside(self, version: str) -> Answerer:
        """What a version answers that is not live: it is kept at hand, and swapped in at once.

        There is room for one such version beside the live one and the one before.

        Raises:
            ArtefactDamaged: the version cannot be used.
            NotFound: it is not registered.
        """
        known = self._at_hand(version)
        if known is not None:
            return self._answerer(known, self.answerer.revision)
        live = await self._prepare(version)
        async with self._changing:
            known = self._at_hand(version)
            if known is None:
                await self._catch_up(live)
                self._challenger = known = live
            return self._answerer(known, self.answerer.revision)

    async def warm_previous(self) -> None:
        """After a start: have the previous model at hand, so that going back takes no time.

        One that is damaged or gone is left alone; going back to it says why.
        """
        version = await self._store.models.alias("previous")
        if version is None:
            return
        try:
            previous = await self._prepare(version)
        except ArtefactDamaged as error:
            _LOG.warning("Nothing to go back to: %s", error)
            return
        async with self._changing:
            if self._previous is None and self._at_hand(version) is None:
                await self._catch_up(previous)
                self._previous = previous

    async def apply_articles(self, changed: Iterable[int]) -> None:
        """Take articles over that were added, edited, removed, restored or got a new verdict."""
        ids = sorted(set(changed))
        if len(ids) > max(_MANY, len(self._live.index) // 10):
            await self._renew()
            return
        async with self._changing:
            revision = await self._store.knowledge.revision()
            fresh, gone = await read_items(self._store, ids)
            for live in self._warmed():
                await self._put(live.index, fresh, gone)
            self.answerer = self._answerer(self._live, revision)
        self._edited(len(ids))

    def expect_erasure(self) -> None:
        """Before an erasure: should the process end meanwhile, the next start will ``forget``."""
        self._files.expect_erasure()

    async def forget(self) -> None:
        """After an erasure: no file of an index holds what the database holds no longer."""
        renewed: list[Bundle | None] = []
        try:
            await self._renew()
            renewed = [live.bundle for live in self._warmed()]
        finally:
            await self._files.keep_only(renewed)

    def _edited(self, count: int) -> None:
        """Have the files written anew in the background once they are far behind."""
        self._edits += count
        most = max(_EDITS, len(self._live.index) // 50)
        idle = self._writing is None or self._writing.done()
        if idle and self._live.indexed.kept and self._edits > most:
            self._writing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        """Index what changed for every version at hand, also in their files.

        What answers changes at the end.
        """
        self._edits = 0
        known = self._warmed()  # kept to the end, so that no number below is given again
        renewed = {id(live): await self._warm(live.bundle, write=True) for live in known}
        async with self._changing:
            previous, challenger = self._previous, self._challenger
            self._live = renewed.get(id(self._live), self._live)
            self._previous = previous and renewed.get(id(previous), previous)
            self._challenger = challenger and renewed.get(id(challenger), challenger)
            # With those that came meanwhile, and with what was edited meanwhile.
            revisions = [await self._catch_up(live) for live in self._warmed()]
            self.answerer = self._answerer(self._live, revisions[0])
        del known, renewed, previous, challenger
        give_back()

    def past_questions(self) -> set[str]:
        """Every question that the live index, or the warm one of the previous version, leads by."""
        return {
            question
            for live in (self._live, self._previous)
            if live is not None
            for item in live.index.items()
            for question in item.questions
        }

    async def _best(self) -> tuple[_Live, str]:
        """The best that can be loaded, and what is wrong with the better ones."""
        problems: list[str] = []
        for alias in ("champion", "previous"):
            version = await self._store.models.alias(alias)
            if version is None:
                continue
            try:
                return await self._prepare(version), " ".join(problems)
            except ArtefactDamaged as error:
                problems.append(str(error))
        return await self._warm(None), " ".join(problems)

    async def _prepare(self, version: str) -> _Live:
        """A version with its index: the warm one, or loaded and built in a thread."""
        known = self._at_hand(version)
        if known is None and self._ready is not None and self._ready.version == version:
            known = self._ready
        if known is not None:
            return known
        await self._must_exist(version)
        folder = self._settings.artefacts_path / version
        seal = await self._store.models.seal(version)
        return await self._warm(await asyncio.to_thread(load_bundle, folder, seal))

    def _at_hand(self, version: str | None) -> _Live | None:
        known = (live for live in self._warmed() if live.bundle is not None)
        return next((live for live in known if live.version == version), None)

    def _warmed(self) -> list[_Live]:
        """All that follow the knowledge base."""
        warmed = (self._live, self._previous, self._challenger)
        return [live for live in warmed if live is not None]

    async def _warm(self, bundle: Bundle | None, *, write: bool = False) -> _Live:
        live = _Live(bundle, await self._files.index(bundle, write=write))
        try:
            self._answerer(live, 0)
        except ValueError as error:
            name = bundle.version if bundle is not None else ""
            raise ArtefactDamaged(f"The model {name} does not fit this server: {error}") from error
        return live

    async def _catch_up(self, live: _Live) -> int:
        """Articles that changed while the index was made; edits wait for the same lock."""
        revision = await self._store.knowledge.revision()
        if self._store.db.health().commits == live.indexed.commits:
            return revision
        stamps = await self._store.knowledge.stamps()
        if changed := changes(live.indexed.stamps, stamps):
            await self._put(live.index, *await read_items(self._store, changed))
        live.indexed.stamps = stamps
        return revision

    async def _put(
        self, index: CandidateIndex, fresh: Sequence[KnowledgeItem], gone: Sequence[int]
    ) -> None:
        for article_id in gone:
            index.remove(article_id)
        for start in range(0, len(fresh), _CHUNK):
            index.put(fresh[start : start + _CHUNK])
            await asyncio.sleep(0)
        if fresh or gone:
            # What the next search would prepare, also of a model that is not live.
            index.search(PROBE)

    async def _must_exist(self, version: str) -> None:
        if version not in {row.version for row in await self._store.models.bundles()}:
            raise NotFound(f"There is no model version '{version}'.")

    def _answerer(self, live: _Live, revision: int) -> Answerer:
        sure_from = self._settings.answers.sure_from
        return Answerer(live.bundle, live.index, revision, sure_from=sure_from)
