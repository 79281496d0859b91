"""What recommendations learnt, into rows: taken out of the waiting sets first, put back on failure.

So what changes while a row is on its way to the disk waits for the next time and is not forgotten.
"""

from __future__ import annotations

from typing import Final

from bot.errors import StorageUnavailable
from bot.recommending.audience import Audience
from bot.recommending.shelf import Shelf
from bot.recommending.watching import Watching
from bot.store import Store

_CHUNK: Final = 50  # profiles written out before the loop does something else


async def keep(store: Store, shelf: Shelf, audience: Audience, watching: Watching) -> None:
    """Store what changed.

    Raises:
        StorageUnavailable: it is kept in memory and stored the next time.
    """
    last = watching.take_last()
    try:
        await _keep_all(store, shelf, audience, watching)
        if last is not None:  # after what was learnt from it
            await store.profiles.save_learnt(*last)
    except StorageUnavailable:
        watching.last = watching.last or last
        raise


async def _keep_all(store: Store, shelf: Shelf, audience: Audience, watching: Watching) -> None:
    await _keep_pages(store, watching)
    await _keep_profiles(store, shelf, audience)
    viewed, watching.viewed = watching.viewed, set()
    clicks, watching.clicks = watching.clicks, []
    try:
        if viewed:
            await store.items.save_heat(shelf.heat(viewed))
        if clicks:
            await store.profiles.clicked(clicks)
    except StorageUnavailable:
        watching.viewed |= viewed
        watching.clicks = clicks + watching.clicks
        raise


async def _keep_pages(store: Store, watching: Watching) -> None:
    pages, watching.pages = watching.pages, {}
    try:
        if pages:
            await store.items.save(list(pages.values()))
    except StorageUnavailable:
        watching.pages = pages | watching.pages
        raise


async def _keep_profiles(store: Store, shelf: Shelf, audience: Audience) -> None:
    changed, audience.changed = audience.changed, set()
    gone, audience.gone = audience.gone, set()
    try:
        if gone:
            await store.profiles.erase_profiles(gone)
            gone = set()
        waiting = list(changed)
        for first in range(0, len(waiting), _CHUNK):
            subjects = waiting[first : first + _CHUNK]
            await store.profiles.save(audience.stored(subjects, shelf.reader.vocabulary))
            changed.difference_update(subjects)
    except StorageUnavailable:
        audience.changed |= changed
        audience.gone |= gone
        raise
