"""FAISS behind the vector index protocol, and the choice of a device with its reason.

Exact search (Flat) up to 20,000 vectors, an inverted file (IVF) above, with the number of probed
lists raised until recall against exact search holds. The exact NumPy index stays beside it as the
truth: whatever fails in FAISS or on a GPU, search goes on there. Without FAISS it serves alone.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.vectors import ExactIndex, VectorIndex, checked

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

FLAT_UP_TO = 20_000
GPU_FROM = 100_000  # below, one query is bound by transfer and launch
_RECALL = 0.97
_PROBES = 200  # own vectors that measure recall
_FOUND = 10


@dataclass(frozen=True, slots=True)
class Device:
    """Where vectors are searched, and why there."""

    name: str  # "cpu" or "gpu"
    reason: str


class FaissIndex:
    """FAISS with the exact index as its truth.

    The FAISS structure is built when it is first needed and follows additions and removals after
    that; it is built anew when the size has doubled.

    Args:
        dimension: length of a vector.
        gpu: search on the GPU where it is worth it.
        flat_up_to: largest size that is searched exhaustively.
        gpu_from: smallest size that is copied to the GPU.
    """

    def __init__(
        self,
        dimension: int,
        *,
        gpu: bool = False,
        flat_up_to: int = FLAT_UP_TO,
        gpu_from: int = GPU_FROM,
    ) -> None:
        self.dimension = dimension
        self.recall = 1.0  # at 10, against exact search, measured at the last build
        self.problem = ""  # why FAISS does not serve, if it does not
        self._faiss: Any = importlib.import_module("faiss")
        self._exact = ExactIndex(dimension)
        self._built: Any = None
        self._on_gpu: Any = None
        self._built_size = 0
        self._gpu = gpu
        self._gpu_from = gpu_from
        self._resources: Any = None
        self._broken = False  # FAISS itself failed: not tried again
        self._flat_up_to = flat_up_to

    def __len__(self) -> int:
        return len(self._exact)

    @property
    def probes(self) -> int:
        """Lists searched per query; 0 while search is exhaustive."""
        return int(getattr(self._built, "nprobe", 0))

    @property
    def on_gpu(self) -> bool:
        """True while the GPU serves."""
        return self._on_gpu is not None

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add rows ``(n, dimension)``; a known id gets the new vector."""
        keys, rows = checked(ids, vectors, self.dimension)
        if len(keys) > 1:
            _, last = np.unique(keys[::-1], return_index=True)  # of equal ids the last one counts
            keep = np.sort(len(keys) - 1 - last)
            keys, rows = keys[keep], rows[keep]
        self._forget(keys)
        self._exact.add(keys, rows)
        self._on_gpu = None
        if self._built is None or len(self) > 2 * max(self._built_size, 1):
            self._built = None
        else:
            self._attempt(lambda: self._built.add_with_ids(rows, keys))

    def remove(self, ids: Ids) -> None:
        """Forget ids at once; unknown ones are passed over."""
        keys = np.ascontiguousarray(ids, np.int64)
        self._forget(keys)
        self._exact.remove(keys)

    def search(self, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Scores and ids ``(n, k)``, best first; places beyond the end hold -inf and -1."""
        queries = np.ascontiguousarray(queries, np.float32).reshape(-1, self.dimension)
        if k <= 0 or not len(queries) or not len(self):
            return self._exact.search(queries, k)
        if self._built is None and not self._broken:
            self._attempt(self._build)
        if self._on_gpu is None and self._gpu and self._built is not None:
            self._to_gpu()
        for index in (self._on_gpu, self._built):
            if index is None:
                continue
            try:
                scores, ids = index.search(queries, k)
            except (RuntimeError, AssertionError) as error:
                self._failed(index, error)
                continue
            return np.where(ids < 0, -np.inf, scores).astype(np.float32), ids
        return self._exact.search(queries, k)

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""
        return self._exact.vectors(ids)

    def _failed(self, index: Any, error: Exception) -> None:
        """Take what failed out of service; the next best serves."""
        if index is not None and index is self._on_gpu:
            self._on_gpu = None
            self._gpu = False
            self.problem = f"the GPU failed, the CPU serves: {error}"
            return
        self._built = self._on_gpu = None
        self._broken = True
        self.problem = f"FAISS failed, the exact index serves: {error}"

    def _attempt(self, action: Any) -> None:
        try:
            action()
        except (RuntimeError, AssertionError, MemoryError) as error:
            self._failed(None, error)

    def _forget(self, keys: Ids) -> None:
        if self._built is None or not len(keys):
            return
        selector = self._faiss.IDSelectorArray(keys)
        self._on_gpu = None
        self._attempt(lambda: self._built.remove_ids(selector))

    def _build(self) -> None:
        faiss = self._faiss
        ids = self._exact.ids.copy()
        rows = self._exact.vectors(ids)
        size = len(ids)
        if size <= self._flat_up_to:
            built = faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimension))
        else:
            lists = max(1, min(int(4 * np.sqrt(size)), size // 39 or 1))
            quantiser = faiss.IndexFlatIP(self.dimension)
            built = faiss.IndexIVFFlat(quantiser, self.dimension, lists, faiss.METRIC_INNER_PRODUCT)
            built.cp.seed = 1234
            built.train(rows)
            # A hash table of places makes removal microseconds instead of a pass over all lists.
            built.set_direct_map_type(faiss.DirectMap.Hashtable)
        built.add_with_ids(rows, ids)
        self.recall = self._tune(built, rows) if size > self._flat_up_to else 1.0
        self._built = built
        self._built_size = size

    def _tune(self, built: Any, rows: Floats) -> float:
        """Raise the number of probed lists until recall holds; gives the recall reached."""
        sample = rows[:: max(1, len(rows) // _PROBES)][:_PROBES]
        # Off the stored vectors, as questions are; a stored vector finds itself too easily.
        noise = np.random.default_rng(0).standard_normal(sample.shape).astype(np.float32)
        sample = sample + 0.5 * noise / np.sqrt(self.dimension)
        truth = self._exact.search(sample, _FOUND)[1]
        probes = 1
        while True:
            built.nprobe = min(probes, built.nlist)
            found = built.search(sample, _FOUND)[1]
            shared = [len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]
            recall = float(np.mean(shared) / truth.shape[1])
            if recall >= _RECALL or probes >= built.nlist:
                return recall
            probes = max(probes + 1, int(probes * 1.5))

    def _to_gpu(self) -> None:
        """Copy to the GPU if it is worth it; after a failure the CPU serves and says why."""
        if len(self) < self._gpu_from:
            return
        try:
            self._resources = self._resources or self._faiss.StandardGpuResources()
            self._on_gpu = self._faiss.index_cpu_to_gpu(self._resources, 0, self._built)
        except (AttributeError, RuntimeError, AssertionError) as error:
            self._on_gpu = None
            self._gpu = False
            self.problem = f"the GPU failed, the CPU serves: {error}"


def choose_device(requested: str = "auto") -> Device:
    """Where vectors will be searched when ``auto``, ``cpu`` or ``gpu`` is asked for."""
    if importlib.util.find_spec("faiss") is None:
        return Device("cpu", "FAISS is not installed: the exact NumPy index serves")
    if requested == "cpu":
        return Device("cpu", "FAISS on the CPU: asked for in the settings")
    try:
        faiss: Any = importlib.import_module("faiss")
        gpus = int(faiss.get_num_gpus()) if hasattr(faiss, "StandardGpuResources") else 0
        supported = hasattr(faiss, "StandardGpuResources")
    except (ImportError, RuntimeError) as error:
        return Device("cpu", f"FAISS cannot be used, the exact NumPy index serves: {error}")
    if gpus:
        return Device("gpu", f"FAISS finds {gpus} GPU(s); used from {GPU_FROM:,} vectors on")
    if not supported:
        return Device("cpu", "FAISS on the CPU: this build of FAISS has no GPU support")
    return Device("cpu", "FAISS on the CPU: no GPU was found")


def open_index(dimension: int, requested: str = "auto") -> tuple[VectorIndex, Device]:
    """An empty index for ``dimension`` numbers, and the device with its reason."""
    device = choose_device(requested)
    if "NumPy" in device.reason:
        return ExactIndex(dimension), device
    return FaissIndex(dimension, gpu=device.name == "gpu"), device
