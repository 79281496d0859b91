"""Which registered version answers: promote, roll back, and what stands against it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from bot.bus import Bus
from bot.errors import NotFound, NotPassed
from bot.learning.gate import Check, Ruling, as_outdated
from bot.serving import Serving
from bot.store import Store


def ruling_on(metrics: Mapping[str, Any], champion: str | None) -> Ruling:
    """The stored ruling as it counts beside today's champion; one nobody judged does not pass."""
    ruling = Ruling.of_metrics(metrics)
    if ruling is None:
        return Ruling((Check("judged", False, "gate.not-judged"),))
    return ruling if champion in (None, ruling.against) else as_outdated(ruling)


async def promote(
    store: Store, serving: Serving, bus: Bus, version: str, *, actor: str, force: bool = False
) -> None:
    """Let a version answer from now on; desks and audit log are told.

    A version that was live before was judged by its work and needs no ruling. ``force`` promotes
    one that did not pass, and is noted.

    Raises:
        NotFound: no such version.
        NotPassed: it did not pass its checks and is not forced; says why.
        ArtefactDamaged: it cannot be loaded; the champion stays, force or not.
    """
    row = next((row for row in await store.models.bundles() if row.version == version), None)
    if row is None:
        raise NotFound(f"There is no model version '{version}'.")
    ruling = ruling_on(row.metrics, await store.models.alias("champion"))
    proven = ruling.passed or "previous" in row.aliases or "champion" in row.aliases
    if not proven and not force:
        raise NotPassed(ruling.words("en"), remedy="Train again, or force it if you know better.")
    await go_live(store, serving, version)
    detail = {} if proven else {"forced": True, "ruling": ruling.words("en")}
    await _announce(store, bus, version, action="model.promoted", actor=actor, detail=detail)


async def roll_back(store: Store, serving: Serving, bus: Bus, *, actor: str) -> str:
    """Make the previous model the champion again and give its version.

    Raises:
        NotFound: there is no previous one.
        ArtefactDamaged: it cannot be loaded; the champion stays.
    """
    async with serving.swapping:
        previous = await store.models.alias("previous")
        if previous is None:
            raise NotFound("There is no previous model to go back to.")
        await _swap(serving, previous, store.models.rollback)
    await _announce(store, bus, previous, action="model.rolled-back", actor=actor, detail={})
    return previous


async def go_live(store: Store, serving: Serving, version: str) -> None:
    """Make a registered version the champion and serve it.

    Raises:
        NotFound: no such version.
        ArtefactDamaged: it cannot be loaded; the champion stays.
    """
    # What takes long comes first: a roll back must not wait for it.
    await serving.prepare(version)
    async with serving.swapping:
        await _swap(serving, version, partial(store.models.promote, version))


async def _swap(serving: Serving, version: str, move: Callable[[], Awaitable[str | None]]) -> None:
    # First what can fail: a damaged bundle must not become the champion.
    await serving.reload(version)
    try:
        await move()
    except Exception:
        # The disk refused: what answers must be what the database says after a restart.
        await serving.reload()
        raise


async def _announce(
    store: Store, bus: Bus, version: str, *, action: str, actor: str, detail: Mapping[str, Any]
) -> None:
    bus.publish("desk", "model.changed", {"version": version})
    await store.people.audit(actor, action, version, detail)
