"""FAISS behind the vector index protocol, and the choice of a device with its reason.

Exact search (Flat) for a few thousand vectors, an inverted file (IVF) above, built anew in a thread
when it has outgrown itself while the old one serves. The exact NumPy index stays beside it as the
truth: whatever fails in FAISS or on a GPU, search goes on there. Without FAISS it serves alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from index.inverted import build, listed_for, lists_of
from index.listed import ListedIndex
from index.vectors import ExactIndex, VectorIndex, checked

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

FLAT_UP_TO = 4_000
GPU_FROM = 100_000  # below, one query is bound by transfer and launch
_THREADED_FROM = 20  # queries that are worth threads
# What the drivers of NVIDIA and, in a virtual machine of Windows, of DirectX are reached by: to ask
# FAISS, it has to be loaded, which takes 40 MB.
_GPUS: Final = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
_QUERIES = 256  # newest ones kept, to choose the number of probed lists on


@dataclass(frozen=True, slots=True)
class Device:
    """Where vectors are searched, and why there."""

    name: str  # "cpu" or "gpu"
    reason: str


class _Renewal:
    """A structure that is built in a thread from a copy of the vectors."""

    def __init__(self, ids: Ids, rows: Floats, queries: Floats, flat_up_to: int) -> None:
        self.changed: set[int] = set()  # ids added or removed since the copy was made
        self.size = len(ids)
        self.result: tuple[Any, float] | Exception | None = None
        self._work = (ids, rows, queries, flat_up_to)
        self._thread = threading.Thread(target=self._run, name="index-build", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until ``result`` is there."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self.result = build(*self._work)
        except (RuntimeError, AssertionError, MemoryError) as error:
            self.result = error


class FaissIndex:
    """FAISS with the exact index as its truth.

    The FAISS structure is built when it is first needed and follows additions and removals after
    that. One thread at a time may use an index.

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
        self._asked: deque[Floats] = deque(maxlen=_QUERIES)
        self._built: Any = None
        self._built_size = 0
        self._renewal: _Renewal | None = None
        self._on_gpu: Any = None
        self._gpu = gpu
        self._gpu_from = gpu_from
        self._resources: Any = None
        self._broken = False  # FAISS itself failed: not tried again
        self._flat_up_to = flat_up_to

    def __len__(self) -> int:
        return len(self._exact)

    @property
    def kind(self) -> str:
        """``Flat``, ``IVF``, or ``NumPy`` while FAISS does not serve."""
        if self._built is None:
            return "NumPy"
        return "IVF" if self.lists else "Flat"

    @property
    def lists(self) -> int:
        """Number of inverted lists; 0 while search is exhaustive."""
        return int(getattr(self._built, "nlist", 0))

    @property
    def probes(self) -> int:
        """Lists searched per query; 0 while search is exhaustive."""
        return int(getattr(self._built, "nprobe", 0))

    @property
    def size_bytes(self) -> int:
        """Vectors, ids and lists in memory, the exact ones included; about."""
        vector = 4 * self.dimension + 8
        copies = 1 if self._built is None else 2
        return len(self) * vector * copies + self.lists * 4 * self.dimension

    @property
    def on_gpu(self) -> bool:
        """True while the GPU serves."""
        return self._on_gpu is not None

    def add(self, ids: Ids, vectors: Floats) -> None:
        """Add rows ``(n, dimension)``; a known id gets the new vector."""
        keys, rows = checked(ids, vectors, self.dimension)
        _, last = np.unique(keys[::-1], return_index=True)  # of equal ids the last one counts
        if len(last) < len(keys):
            keep = np.sort(len(keys) - 1 - last)
            keys, rows = keys[keep], rows[keep]
        self._forget(keys)
        self._exact.add(keys, rows)
        if self._built is not None:
            self._on_gpu = None
            self._attempt(lambda: self._built.add_with_ids(rows, keys))
        if self._renewal is not None:
            self._renewal.changed.update(keys.tolist())
        elif self._outgrown():
            queries = self._queries()
            ids, rows = self._exact.ids.copy(), self._exact.rows.copy()
            self._renewal = _Renewal(ids, rows, queries, self._flat_up_to)

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
        self._asked.extend(queries[:_QUERIES])
        self._take_over()
        if self._built is None and not self._broken:
            self._attempt(self._build)
        if self._on_gpu is None and self._gpu and self._built is not None:
            self._to_gpu()
        for index in (self._on_gpu, self._built):
            if index is None:
                continue
            try:
                scores, ids = self._search(index, queries, k)
            except (RuntimeError, AssertionError) as error:
                self._failed(index, error)
                continue
            if (ids < 0).any():
                scores = np.where(ids < 0, np.float32(-np.inf), scores)
            return scores, ids
        return self._exact.search(queries, k)

    def vectors(self, ids: Ids) -> Floats:
        """Stored rows ``(n, dimension)``; zeros for unknown ids."""
        return self._exact.vectors(ids)

    def products(self, ids: Ids, vector: Floats) -> Floats:
        """Inner products ``(n,)`` of stored rows with a vector; 0 for unknown ids."""
        return self._exact.products(ids, vector)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, as plain arrays: with the lists where FAISS has some."""
        self.settle()
        return lists_of(self._built) if self.lists else self._exact.to_arrays()

    def settle(self) -> None:
        """Wait for what is being built and let it serve."""
        if self._renewal is not None:
            self._renewal.wait()
            self._take_over()

    def _search(self, index: Any, queries: Floats, k: int) -> tuple[Floats, Ids]:
        """Search a FAISS structure, for few queries in this thread alone."""
        if len(queries) >= _THREADED_FROM:
            scores, ids = index.search(queries, k)
            return scores, ids
        # Waking others takes longer than searching, and they wait for more by turning in circles.
        threads = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(1)
        try:
            scores, ids = index.search(queries, k)
        finally:
            self._faiss.omp_set_num_threads(threads)
        return scores, ids

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

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (RuntimeError, AssertionError, MemoryError) as error:
            self._failed(None, error)

    def _forget(self, keys: Ids) -> None:
        keys = self._exact.known(keys)
        if not len(keys):
            return
        if self._renewal is not None:
            self._renewal.changed.update(keys.tolist())
        if self._built is not None:
            self._on_gpu = None
            self._attempt(lambda: _remove(self._faiss, self._built, keys))

    def _outgrown(self) -> bool:
        """What serves was made for far fewer vectors."""
        limit = 2 * self._built_size if self.lists else self._flat_up_to
        return self._built is not None and len(self) > limit

    def _build(self) -> None:
        exact = self._exact
        self._built, self.recall = build(exact.ids, exact.rows, self._queries(), self._flat_up_to)
        self._built_size = len(exact)

    def _take_over(self) -> None:
        """Let a finished renewal serve, with what has changed meanwhile."""
        renewal = self._renewal
        if renewal is None or renewal.result is None:
            return
        self._renewal = None
        if isinstance(renewal.result, Exception):
            # The old structure is whole and goes on; it is renewed when it has doubled again.
            self._built_size = len(self)
            self._flat_up_to = max(self._flat_up_to, 2 * len(self))
            self.problem = f"the index could not be built anew: {renewal.result}"
            return
        built, recall = renewal.result
        changed = np.asarray(sorted(renewal.changed), np.int64)
        living = self._exact.known(changed)
        try:
            _remove(self._faiss, built, changed)
            built.add_with_ids(self._exact.vectors(living), living)
        except (RuntimeError, AssertionError, MemoryError) as error:
            self._failed(None, error)
            return
        self._built, self._built_size, self.recall = built, renewal.size, recall
        self._on_gpu = None

    def _queries(self) -> Floats:
        return np.asarray(self._asked, np.float32).reshape(-1, self.dimension)

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


def _remove(faiss: Any, built: Any, keys: Ids) -> None:
    if not len(keys):
        return
    # The hash table of an inverted file takes an array; the others look each id up in a set.
    selector = faiss.IDSelectorArray if hasattr(built, "nlist") else faiss.IDSelectorBatch
    built.remove_ids(selector(keys))


def choose_device(requested: str = "auto") -> Device:
    """Where vectors will be searched when ``auto``, ``cpu`` or ``gpu`` is asked for."""
    if importlib.util.find_spec("faiss") is None:
        return Device("cpu", "FAISS is not installed: the exact NumPy index serves")
    if requested == "cpu":
        return Device("cpu", "FAISS on the CPU: asked for in the settings")
    gpus, supported = 0, True
    if any(path.exists() for path in _GPUS):
        try:
            faiss: Any = importlib.import_module("faiss")
            supported = hasattr(faiss, "StandardGpuResources")
            gpus = int(faiss.get_num_gpus()) if supported else 0
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


def stored(index: VectorIndex) -> dict[str, NDArray[Any]]:
    """The index as plain arrays, with lists made anew where it has outgrown them."""
    arrays = index.to_arrays()
    size, lists = len(arrays["ids"]), len(arrays.get("starts", (0, 0))) - 1
    if size <= max(FLAT_UP_TO, 2 * listed_for(lists)) or not importlib.util.find_spec("faiss"):
        return arrays
    renewed = FaissIndex(int(arrays["vectors"].shape[1]))
    renewed.add(arrays["ids"], arrays["vectors"])
    renewed.search(arrays["vectors"][:1], 1)
    return renewed.to_arrays()


def load_index(
    arrays: Mapping[str, NDArray[Any]], requested: str = "auto"
) -> tuple[VectorIndex, Device]:
    """The index whose arrays ``stored`` gave, in steps or not, and the device with its reason.

    On the CPU it goes on without FAISS; for a GPU, where it is worth one, it is built anew.
    """
    device = choose_device(requested)
    listed = ListedIndex.from_arrays(arrays)
    if device.name == "cpu" or len(listed) < GPU_FROM:
        return listed, device
    index, device = open_index(listed.dimension, requested)
    plain = listed.to_arrays()
    index.add(plain["ids"], plain["vectors"])
    return index, device
