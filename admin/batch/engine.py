"""The one switch between Daft's own runner and Ray."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import Final

from bot.errors import ExtraMissing, SettingsInvalid

NATIVE: Final = "native"
# Daft counts its imports and Ray its clusters on servers of their makers unless told not to.
QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "DAFT_ANALYTICS_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Bars of a batch would fill the log of the job.
    "DAFT_PROGRESS_BAR": "0",
    "RAY_TQDM": "0",
}
_STORE_BYTES: Final = 512 * 1024 * 1024
_WORKERS: Final = 2


def start(engine: str = NATIVE) -> ModuleType:
    """Daft, quiet, on the runner that ``engine`` names.

    Args:
        engine: ``native``, ``ray://HOST:PORT`` of a cluster, or ``ray://local`` for two workers of
            this machine.

    Raises:
        ExtraMissing: Daft, pyarrow or Ray is not installed.
        SettingsInvalid: the engine has no such form.
    """
    os.environ.update(QUIET)
    require()
    if engine == NATIVE:
        os.environ["DAFT_RUNNER"] = NATIVE
    import daft  # noqa: PLC0415 - not before it has been told to be quiet

    if engine == NATIVE:
        return daft
    if not engine.startswith("ray://"):
        raise SettingsInvalid(
            f"Settings: insights.engine is '{engine}'.",
            remedy="Give 'native' or 'ray://HOST:PORT'.",
        )
    if not _installed("ray"):
        raise ExtraMissing(
            "Settings: insights.engine names a Ray cluster, and Ray is not installed.",
            remedy="Install it (pip install ray), or set insights.engine to 'native'.",
        )
    _start_ray(engine)
    daft.set_runner_ray(noop_if_initialized=True)
    return daft


def require() -> None:
    """Refuse to go on without the extra ``batch``.

    Raises:
        ExtraMissing: Daft or pyarrow is not installed.
    """
    if not (_installed("daft") and _installed("pyarrow")):
        raise ExtraMissing(
            "Counting events needs the extra 'batch'.",
            remedy="Install it: pip install 'neurobot[batch]'.",
        )


def _start_ray(engine: str) -> None:
    ray = importlib.import_module("ray")
    if ray.is_initialized():
        return
    if engine == "ray://local":
        # Without a cap the object store takes a third of the memory.
        ray.init(num_cpus=_WORKERS, object_store_memory=_STORE_BYTES, log_to_driver=False,
                 include_dashboard=False)  # fmt: skip
    else:
        ray.init(address=engine, log_to_driver=False)


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
