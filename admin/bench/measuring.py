"""Times of repeated calls, and the memory bandwidth that bounds an exhaustive search."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np

_PROBE_BYTES: Final = 256 * 1024 * 1024  # far beyond any cache
_ROUNDS: Final = 5
_ENOUGH_S: Final = 5.0  # processor time, after which slow calls are not repeated
# Memory bandwidth by the makers' data sheets, bytes per second; the longest name that fits counts.
_PUBLISHED: Final = MappingProxyType({
    "H200": 4.8e12, "H100 PCIe": 2.0e12, "H100 NVL": 3.9e12, "H100": 3.35e12,
    "A100-SXM4-80GB": 2.039e12, "A100 80GB PCIe": 1.935e12, "A100": 1.555e12, "L40S": 0.864e12,
    "L4": 0.3e12, "A10": 0.6e12, "T4": 0.32e12, "V100": 0.9e12, "RTX 4090": 1.008e12,
    "RTX 3090": 0.936e12,
})  # fmt: skip


def percentiles(call: Callable[[int], Any], count: int) -> dict[str, float]:
    """Milliseconds of ``call(0..count-1)`` after a warm-up: ``p50``, ``p99``, ``cpu_p50`` and _99.

    The first two are what a customer waits now. The others are quantiles of each call's least
    processor time in several passes over all calls: what it takes on a machine with nothing else
    to do, as far as a busy one can tell.
    """
    call(0)
    waited: list[float] = []
    least = np.full(count, np.inf)
    started = time.thread_time()
    for _ in range(_ROUNDS):
        for number in range(count):
            began, begun = time.perf_counter(), time.thread_time()
            call(number)
            waited.append(time.perf_counter() - began)
            least[number] = min(least[number], time.thread_time() - begun)
        if time.thread_time() - started > _ENOUGH_S:
            break
    half, last = (np.quantile(waited, [0.5, 0.99]) * 1e3).tolist()
    cpu_half, cpu_last = (np.quantile(least, [0.5, 0.99]) * 1e3).tolist()
    return {"p50": half, "p99": last, "cpu_p50": cpu_half, "cpu_p99": cpu_last}


def cpu_bandwidth() -> float:
    """Bytes per second that one core reads from memory: the best of several passes.

    In processor time, as the searches that are compared with it.
    """
    block = np.ones(_PROBE_BYTES // 4, np.float32)
    best = np.inf
    for _ in range(_ROUNDS):
        began = time.thread_time()
        float(block @ block)
        best = min(best, time.thread_time() - began)
    return _PROBE_BYTES / best


def gpu_name() -> str:
    """What the driver calls the first GPU; empty without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    asked = [tool, "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    return found.stdout.splitlines()[0].strip() if found.returncode == 0 and found.stdout else ""


def gpu_bandwidth(name: str) -> float | None:
    """Published bytes per second of a GPU; None where its name is not known here."""
    known = [part for part in _PUBLISHED if part in name]
    return _PUBLISHED[max(known, key=len)] if known else None


def peak_bytes() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
