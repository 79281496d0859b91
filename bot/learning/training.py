"""A training job's two ends: what the child is given, and what becomes of what it made."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.bundles import load_bundle
from bot.bus import Bus
from bot.errors import BadRequest
from bot.learning.dataset import collect
from bot.learning.promotion import go_live, ruling_on
from bot.learning.threads import to_the_end
from bot.learning.training_set import TrainingSet
from bot.learning.work import Ending
from bot.serving import Serving
from bot.settings import PRESETS, Settings
from bot.store import Store
from bot.store.records import Job
from nlp.artifacts import save_json

JOB_FILE: Final = "job.json"
TRAIN: Final = "train"
PARTS: Final = ("classifier", "ranker", "all")


class Outcome(msgspec.Struct, frozen=True):
    """How a job ended: state ``done`` or ``refused``, the reason, the version that is live now."""

    state: str
    reason: str
    version: str
    promoted: bool


async def prepare(
    store: Store, settings: Settings, folder: Path, params: Mapping[str, Any]
) -> dict[str, int]:
    """Write the training set and the child's orders into a fresh folder; gives the sizes."""
    data = await collect(store)
    training = settings.training
    champion = await store.models.alias("champion")
    orders = {
        "artefacts": str(settings.artefacts_path),
        "part": params.get("part") or "all",
        "champion": str(settings.artefacts_path / champion) if champion is not None else "",
        "canaries": msgspec.to_builtins(await store.canaries.all()),
        "preset": params.get("preset") or training.preset,
        "seed": int(params.get("seed", training.seed)),
        "threads": training.threads,
        "max_minutes": training.max_minutes,
    }

    def write() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        # The texts are customers' own: nobody else on the machine may read them.
        folder.mkdir(parents=True, mode=0o700)
        data.write(folder)
        save_json(folder / JOB_FILE, orders)

    await to_the_end(write)
    return data.counts


async def conclude(
    store: Store,
    settings: Settings,
    serving: Serving,
    *,
    version: str,
    metrics: Mapping[str, Any],
    promote: bool,
) -> Outcome:
    """Register a published bundle and let it go live if it is wanted and passes the gate.

    Safe to repeat after a crash half-way.

    Raises:
        ArtefactDamaged: the bundle cannot be loaded; nothing is registered.
    """
    folder = settings.artefacts_path / version
    await asyncio.to_thread(load_bundle, folder, metrics.get("seal"))
    if version not in {row.version for row in await store.models.bundles()}:
        await store.models.add_bundle(version, str(folder), metrics)
    champion = await store.models.alias("champion")
    if champion == version:
        return Outcome("done", "", version, promoted=True)
    ruling = ruling_on(metrics, champion)
    if promote and ruling.passed:
        await go_live(store, serving, version)
        return Outcome("done", ruling.words("en"), version, promoted=True)
    if await store.shadow.version() is None:
        await serving.beside(version)
    if not promote:
        return Outcome("done", "Not promoted: " + ruling.words("en"), version, promoted=False)
    return Outcome("refused", ruling.words("en"), version, promoted=False)


class TrainingWork:
    """The kind ``train``: a new model from all there is to learn from."""

    kind = TRAIN
    module = "bot.learning"
    closing = "going live"

    def __init__(
        self,
        settings: Settings,
        store: Store,
        serving: Serving,
        bus: Bus,
        training_set: TrainingSet,
    ) -> None:
        self.threads = settings.training.threads
        self._settings = settings
        self._store = store
        self._serving = serving
        self._bus = bus
        self._training_set = training_set

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse an unknown part or preset.

        Raises:
            BadRequest: it is unknown.
        """
        if params.get("preset") not in (None, "", *PRESETS):
            raise BadRequest(f"Unknown preset; choose one of {', '.join(PRESETS)}.")
        if params.get("part") not in (None, "", *PARTS):
            raise BadRequest(f"Unknown part; choose one of {', '.join(PARTS)}.")

    async def prepare(self, job: Job, folder: Path) -> None:
        """Examine what is new and write the training set."""
        await self._training_set.examine()
        # Before and after the reading, so that nothing it saw is missing, taken back meanwhile or
        # just said; a message too many is named in vain.
        await self._store.training.note_use(job.id)
        await prepare(self._store, self._settings, folder, job.params)
        await self._store.training.note_use(job.id)

    async def conclude(self, job: Job, said: Mapping[str, Any], folder: Path) -> Ending:
        """Register the bundle and let it go live if it may."""
        del folder  # the bundle lies among the others
        metrics = said["metrics"]
        outcome = await conclude(
            self._store,
            self._settings,
            self._serving,
            version=str(said["version"]),
            metrics=metrics,
            promote=bool(job.params.get("promote", True)),
        )
        if outcome.promoted:
            self._bus.publish("desk", "model.changed", {"version": outcome.version})
        shown = {**metrics, "version": outcome.version, "promoted": outcome.promoted}
        return Ending(outcome.state, outcome.reason, shown)
