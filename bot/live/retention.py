"""Old events go, in small batches, and only after they were exported where that is asked for."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from bot.errors import StorageUnavailable
from bot.ports import Clock
from bot.settings import Settings
from bot.store.events import Events

_LOG = logging.getLogger(__name__)

_DAY_S = 86_400.0
_EVERY_S = 600.0
_BATCH = 500
_PAUSE_S = 0.05  # between batches: events that arrive meanwhile go first


class Retention:
    """Removes what is older than ``events.keep_days`` while the server runs."""

    def __init__(self, settings: Settings, events: Events, clock: Clock) -> None:
        self._keep_s = settings.events.keep_days * _DAY_S
        self._export = settings.events.export_dir
        self._events = events
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run(), name="event-retention")

    async def stop(self) -> None:
        """Stop sweeping."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def sweep(self) -> int:
        """Remove what is old; gives the number of events."""
        removed = 0
        before = (self._clock() - self._keep_s) // _DAY_S * _DAY_S  # whole days, as the export
        exported = _Exported()
        if self._export:
            exported = await asyncio.to_thread(_exported, Path(self._export))
        before = min(before, exported.whole_before)
        while done := await self._events.sweep(before, _BATCH, up_to=exported.last_seq):
            removed += done
            await asyncio.sleep(_PAUSE_S)
        return removed

    async def _run(self) -> None:
        while True:
            try:
                if removed := await self.sweep():
                    _LOG.info("%d old events were removed", removed)
            except StorageUnavailable as error:
                _LOG.warning("Old events were not removed: %s", error)
            await asyncio.sleep(_EVERY_S)


class _Exported(msgspec.Struct, frozen=True):
    """How far the export's manifest says it got; without one asked for, no limit."""

    last_seq: int = (1 << 63) - 1
    whole_before: float = float("inf")


def _exported(folder: Path) -> _Exported:
    try:
        return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Exported)
    except (OSError, msgspec.DecodeError):  # nothing was exported: nothing goes
        return _Exported(0, 0.0)
