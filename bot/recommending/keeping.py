"""What recommendations learnt, into rows: taken out of the waiting sets first, put back on failure.

So what changes while a row is on its way to the disk waits for the next time and is not forgotten.
Profiles and the last event that they know are one commit: after a kill none is learnt from twice.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bot.errors import StorageUnavailable
from bot.recommending.audience import Audience
from bot.recommending.shelf import Shelf
from bot.recommending.watching import Watching
from bot.store import Store
from bot.store.profiles import StoredProfile

_CHUNK: Final = 50  # profiles written out before the loop does something else
_SIGHTS: Final = 500  # taken into profiles before that; a millisecond or two


async def keep_news(store: Store, watching: Watching) -> None:
    """Store pages and clicks; to learn of them again changes nothing.

    Raises:
        StorageUnavailable: they are kept in memory and stored the next time.
    """
    await _keep_pages(store, watching)
    clicks, watching.clicks = watching.clicks, []
    try:
        if clicks:
            await store.profiles.clicked(clicks)
    except StorageUnavailable:
        watching.clicks = clicks + watching.clicks
        raise


async def keep(store: Store, shelf: Shelf, audience: Audience, watching: Watching) -> None:
    """Store profiles and how often items were looked at.

    Raises:
        StorageUnavailable: it is kept in memory and stored the next time.
    """
    await _keep_profiles(store, shelf, audience, watching)
    viewed, watching.viewed = watching.viewed, set()
    try:
        if viewed:
            await store.items.save_heat(shelf.heat(viewed))
    except StorageUnavailable:
        watching.viewed |= viewed
        raise


async def _keep_pages(store: Store, watching: Watching) -> None:
    pages, watching.pages = watching.pages, {}
    try:
        if pages:
            await store.items.save(list(pages.values()))
    except StorageUnavailable:
        watching.pages = pages | watching.pages
        raise


async def _keep_profiles(
    store: Store, shelf: Shelf, audience: Audience, watching: Watching
) -> None:
    await settle(audience)
    last = watching.take_last()
    changed, audience.changed = audience.changed, set()
    gone, audience.gone = audience.gone, set()
    try:
        if gone:
            await store.profiles.erase_profiles(gone)
        if changed or last is not None:
            profiles = await _written(list(changed), shelf, audience)
            await store.profiles.save(profiles, last)
    except StorageUnavailable:
        watching.last = watching.last or last
        audience.changed |= changed
        audience.gone |= gone
        raise


async def settle(audience: Audience, most_left: int = 0) -> None:
    """Take what was seen into the profiles, in turns, until at most so many sights are left."""
    while audience.unsettled > most_left:
        audience.settle(_SIGHTS)
        await asyncio.sleep(0)


async def _written(subjects: list[str], shelf: Shelf, audience: Audience) -> list[StoredProfile]:
    found: list[StoredProfile] = []
    for first in range(0, len(subjects), _CHUNK):
        found += audience.stored(subjects[first : first + _CHUNK], shelf.reader.vocabulary)
        await asyncio.sleep(0)
    return found
