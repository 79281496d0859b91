"""The candidate index of each model as a file, so that a start reads what changed, not every text.

A file is mapped or read row by row: what nobody asks for is never in memory. It is written when an
index was built, and anew when enough has changed since. One that is damaged or of another model is
not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from bot.bundles import PROBE, Bundle
from bot.candidates import CandidateIndex
from bot.entries import KnowledgeItem
from bot.items import read_items
from bot.settings import Settings
from bot.store import Store
from index.snapshot import SnapshotDamaged, SnapshotStale, load_snapshot, save_snapshot
from nlp.terms import read_terms

_LOG = logging.getLogger(__name__)

_MOST: Final = 4  # files: live, previous, challenger, and one to come
_WORTH_FROM: Final = 100  # articles; fewer are read in less time than a file takes to write
_EACH_BYTES: Final = 30_000  # of an article with five past questions, in a file
_SPARE_BYTES: Final = 200_000_000  # left for messages in any case
_UNCLEAN: Final = "unclean"
_COLD: Final = "cold"
_STAMPS: Final = "stamps"
FORMAT: Final = "3"
# Of the arrays of an index, those that a question looks at in a few rows: best left in the file.
LOOKED_AT: Final = frozenset({
    "openings/values", "forward/values", "entries/data", "texts/data",
    "question_vectors/exact", "question_vectors/coarse",
    "pair/starts", "pair/postings", "char/postings", "past_char/postings",
})  # fmt: skip


class Indexed(msgspec.Struct, eq=False):
    """A candidate index and what it reflects.

    Attributes:
        index: of all articles.
        stamps: of each article as it was indexed, or older.
        commits: of the database before the stamps were read: while it has no more, nothing changed.
        kept: it has a file.
        changed: number of articles that the file holds in another form, or not at all.
    """

    index: CandidateIndex
    stamps: Mapping[int, int]
    commits: int = -1
    kept: bool = False
    changed: int = 0


class IndexFiles:
    """Opens, builds and writes the indexes of models.

    Args:
        settings: where files are kept, and the device for vectors.
        store: the articles.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._folder = settings.index_path
        self._device = settings.answers.device
        self._store = store
        self._busy = asyncio.Lock()

    async def index(self, bundle: Bundle | None, *, write: bool = False) -> Indexed:
        """The index of a model with every article as it is now.

        Args:
            bundle: None for a start without a model.
            write: renew the file where it does not hold just that.
        """
        async with self._busy:
            commits = self._store.db.health().commits
            found = await self._index(bundle, write=write)
            found.commits = commits
            return found

    async def _index(self, bundle: Bundle | None, *, write: bool) -> Indexed:
        # Before the articles: one that changes in between is read again, and none is missed.
        stamps = await self._store.knowledge.stamps()
        found = await asyncio.to_thread(self._open, bundle) if stamps else None
        if found is None or 2 * len(changes(found.stamps, stamps)) > len(stamps):
            items, _ = await read_items(self._store)
            built = await asyncio.to_thread(self._build, bundle, items)
            return await asyncio.to_thread(self._written, bundle, built, stamps)
        changed = changes(found.stamps, stamps)
        if changed:
            fresh, gone = await read_items(self._store, changed)
            await asyncio.to_thread(_take, found.index, fresh, gone)
            if write:
                return await asyncio.to_thread(self._written, bundle, found.index, stamps)
        return Indexed(found.index, stamps, kept=True, changed=len(changed))

    @property
    def unclean(self) -> bool:
        """True from ``expect_erasure`` to ``keep_only``, also if the process ends in between."""
        return (self._folder / _UNCLEAN).exists()

    def expect_erasure(self) -> None:
        """Note that the files will hold what is no longer to be held; not a coroutine."""
        if self._folder.is_dir():
            (self._folder / _UNCLEAN).touch()

    async def keep_only(self, bundles: Sequence[Bundle | None]) -> None:
        """Remove the files of all other models; these are clean."""
        async with self._busy:
            await asyncio.to_thread(self._keep, {_name(bundle) for bundle in bundles}, 0)
            (self._folder / _UNCLEAN).unlink(missing_ok=True)

    def _open(self, bundle: Bundle | None) -> Indexed | None:
        folder = self._folder / _name(bundle)
        if not folder.exists():
            return None
        try:
            parts = load_snapshot(folder, _key(bundle), LOOKED_AT)
            encoder = bundle.encoder if bundle is not None else None
            index = CandidateIndex.from_parts(parts, encoder, self._device)
            ids, values = (parts[_STAMPS][name].tolist() for name in ("ids", "values"))
            stamps = dict(zip(ids, values, strict=True))
            index.search(PROBE)
        except (
            SnapshotDamaged, SnapshotStale, KeyError, ValueError, IndexError, TypeError, OSError,
            msgspec.MsgspecError,
        ) as error:  # fmt: skip
            _LOG.warning("The index of '%s' is built anew: %s", folder.name, error)
            return None
        with contextlib.suppress(OSError):  # where nothing may be written
            os.utime(folder)  # those that are used are kept
        return Indexed(index, stamps, kept=True)

    def _build(self, bundle: Bundle | None, items: Sequence[KnowledgeItem]) -> CandidateIndex:
        index = CandidateIndex(bundle.encoder if bundle is not None else None, self._device)
        index.put(items)
        index.search(PROBE)  # what a first search prepares is not for a customer to wait for
        return index

    def _written(
        self, bundle: Bundle | None, index: CandidateIndex, stamps: Mapping[int, int]
    ) -> Indexed:
        """The index from the file that it was written to; where that fails, as it is."""
        if len(index) < _WORTH_FROM:
            return Indexed(index, stamps)
        folder = self._folder / _name(bundle)
        try:
            self._make_room(len(index))
            save_snapshot(folder, _parts(index, stamps), _key(bundle))
            self._keep(set(), _MOST)
        except (OSError, SafetensorError, ValueError) as error:
            shutil.rmtree(folder, ignore_errors=True)  # it may hold what was erased meanwhile
            _LOG.warning("The index is not kept, the next start reads every text: %s", error)
            return Indexed(index, stamps)
        return self._open(bundle) or Indexed(index, stamps)

    def _make_room(self, articles: int) -> None:
        """Have a folder with room for an index of so many articles.

        Raises:
            OSError: there is none.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.glob(".*"):  # half written by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        if shutil.disk_usage(self._folder).free < _SPARE_BYTES + articles * _EACH_BYTES:
            raise OSError(errno.ENOSPC, "messages need the room that is left on the disk")

    def _keep(self, names: set[str], newest: int) -> None:
        if self._folder.is_dir():
            files = sorted(self._folder.glob("*/"), key=lambda path: -path.stat().st_mtime)
            for path in files[newest:]:
                if path.name not in names:
                    shutil.rmtree(path, ignore_errors=True)


def changes(known: Mapping[int, int], stamps: Mapping[int, int]) -> list[int]:
    """Ids of articles that were added, changed or removed between two times."""
    fresh = [key for key, stamp in stamps.items() if known.get(key) != stamp]
    return sorted([*fresh, *(known.keys() - stamps.keys())])


def _take(index: CandidateIndex, fresh: Sequence[KnowledgeItem], gone: Sequence[int]) -> None:
    for article_id in gone:
        index.remove(article_id)
    index.put(fresh)
    index.search(PROBE)


def _parts(
    index: CandidateIndex, stamps: Mapping[int, int]
) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    yield from index.to_parts()
    ids, values = np.asarray(list(stamps)), np.asarray(list(stamps.values()))
    yield _STAMPS, {"ids": ids, "values": values}


def _name(bundle: Bundle | None) -> str:
    return bundle.version if bundle is not None else _COLD


def _key(bundle: Bundle | None) -> dict[str, str]:
    """What an index depends on beside the articles: the models, and how this release reads."""
    terms = read_terms(PROBE)
    read = b"".join(part.tobytes() for part in (terms.stems, terms.chars, terms.pairs))
    return {
        "format": FORMAT,
        "bundle": bundle.seal if bundle is not None else "",
        "terms": hashlib.sha256(read).hexdigest(),
    }
