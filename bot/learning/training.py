"""A training job's two ends: what the child is given, and what becomes of what it made."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.learning.dataset import collect
from bot.learning.promotion import go_live, ruling_on
from bot.learning.threads import to_the_end
from bot.serving import Serving, load_bundle
from bot.settings import Settings
from bot.store import Store
from nlp.artifacts import save_json

JOB_FILE: Final = "job.json"


@dataclass(frozen=True, slots=True)
class Outcome:
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
