"""The vector index on vectors of a trained model: recall, latency, building, bandwidth.

Vectors are answers encoded by towers that were trained on the texts at hand; queries are questions
that stand at no answer. Truth is exhaustive search in NumPy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from admin.bench.measuring import (
    cpu_bandwidth,
    gpu_bandwidth,
    gpu_name,
    peak_bytes,
    percentiles,
)
from admin.bench.texts import Source, TextMaker
from admin.evaluate.judging import rounded
from bot.entries import KnowledgeItem
from index.ann import Device, FaissIndex, choose_device
from index.vectors import nearest
from nlp.ranker import DualEncoder
from nlp.train.loop import use_threads
from nlp.train.ranker import fit_encoder

Floats = NDArray[np.float32]
Tell = Callable[[str], None]

_FOUND: Final = 10
_EQUAL: Final = 1e-5
_BATCH: Final = 64
_TUNING: Final = 256  # questions the index is asked first
_JUDGED: Final = 500  # other questions, for recall and latency
_WORDS: Final = (15, 40)  # of a text: a vector needs no whole article
_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class _Data:
    """Vectors to be found, and questions: those that tune and those that judge."""

    vectors: Floats
    tuning: Floats
    judged: Floats
    bandwidth: float
    gpu: tuple[str, float | None]


def bench(
    sources: Sequence[Source], sizes: Sequence[int], *, device: str, name: str, tell: Tell
) -> dict[str, Any]:
    """The report: ``data``, ``machine``, and for each size the indexes of ``results``.

    Args:
        sources: texts that the towers are trained on and that others are made of.
        sizes: numbers of vectors.
        device: ``cpu`` or ``gpu``.
        name: of the texts, for the report.
        tell: told what is done.
    """
    use_threads(1)
    chosen = choose_device(device)
    tell("training the towers")
    encoder = _train(sources)
    data = _data(encoder, sources, max(sizes), chosen, tell)
    return {
        "data": {
            "texts": name,
            "sources": len(sources),
            "vectors": "answers of recombined sentences, encoded by towers trained on the sources",
            "dimension": encoder.dimension,
            "queries": len(data.judged),
        },
        "machine": {
            "device": chosen.name,
            "reason": chosen.reason,
            "gpu": data.gpu[0],
            "cpu_bytes_per_s": round(data.bandwidth),
            "gpu_bytes_per_s": data.gpu[1],
        },
        "results": [_size(data, size, chosen, tell) for size in sizes],
        "peak_bytes": peak_bytes(),
    }


def _train(sources: Sequence[Source]) -> DualEncoder:
    asked = [(source.title, *source.questions) for source in sources]
    pairs = [(text, place) for place, texts in enumerate(asked) for text in texts if text.strip()]
    return fit_encoder([f"{source.title}\n{source.text}" for source in sources], pairs)


def _data(
    encoder: DualEncoder, sources: Sequence[Source], size: int, device: Device, tell: Tell
) -> _Data:
    maker = TextMaker(sources)
    asked = encoder.encode_questions(maker.questions(_TUNING + 2 * _JUDGED))
    asked = asked[asked.any(axis=1)][: _TUNING + _JUDGED]
    vectors = np.empty((size, encoder.dimension), np.float32)
    for at, rows in _encoded(encoder, maker.articles(size, past=0, words=_WORDS)):
        vectors[at : at + len(rows)] = rows
        tell(f"encoding texts, {at * 10 // size * 10} %")
    gpu = gpu_name() if device.name == "gpu" else ""
    return _Data(
        vectors, asked[:_TUNING], asked[_TUNING:], cpu_bandwidth(), (gpu, gpu_bandwidth(gpu))
    )


def _encoded(
    encoder: DualEncoder, articles: Iterator[KnowledgeItem]
) -> Iterator[tuple[int, Floats]]:
    at = 0
    while part := list(islice(articles, _CHUNK)):
        yield at, encoder.encode_answers([f"{item.title}\n{item.text}" for item in part])
        at += len(part)


def _size(data: _Data, size: int, device: Device, tell: Tell) -> dict[str, Any]:
    vectors = data.vectors[:size]
    tell(f"{size:,} vectors: exact search")
    truth = nearest(vectors, data.judged, min(_FOUND, size))[0]
    found: dict[str, Any] = {"n": size}
    on_cpu: dict[str, Floats] = {}
    for place, name in [("cpu", "chosen"), ("cpu", "flat"), ("gpu", "chosen"), ("gpu", "flat")]:
        if place == "gpu" and device.name != "gpu":
            continue
        tell(f"{size:,} vectors: {name} on the {place.upper()}")
        index = _index(vectors, name, gpu=place == "gpu")
        figures, scores = _measure(index, data, truth, place)
        if place == "gpu":
            figures["recall_against_cpu"] = _recall(scores, on_cpu[name])
        on_cpu.setdefault(name, scores)
        found[name if place == "cpu" else f"{name}_gpu"] = rounded(figures)
    return found


def _index(vectors: Floats, name: str, *, gpu: bool) -> FaissIndex:
    size, dimension = vectors.shape
    # On a GPU every size is measured, also those that would stay on the CPU.
    limits = {"gpu_from": 1} if gpu else {}
    if name == "flat":
        limits["flat_up_to"] = size
    index = FaissIndex(dimension, gpu=gpu, **limits)
    index.add(np.arange(size), vectors)
    return index


def _measure(
    index: FaissIndex, data: _Data, truth: Floats, place: str
) -> tuple[dict[str, Any], Floats]:
    queries = data.judged
    began = time.process_time()
    index.search(data.tuning, _FOUND)  # builds, and chooses the probes on these
    spent = time.process_time() - began
    scores = index.search(queries, truth.shape[1])[0]
    single = percentiles(lambda i: index.search(queries[i : i + 1], _FOUND), len(queries))
    batches = len(queries) // _BATCH
    batch = percentiles(lambda i: index.search(queries[i * _BATCH :][:_BATCH], _FOUND), batches)
    bandwidth = data.bandwidth if place == "cpu" else data.gpu[1]
    n_bytes = index.size_bytes
    limit_ms = 1e3 * len(index) * index.dimension * 4 / bandwidth if bandwidth else None
    figures = {
        "kind": index.kind,
        "device": "gpu" if index.on_gpu else "cpu",
        "problem": index.problem,
        "lists": index.lists,
        "probes": index.probes,
        "recall_at_10": _recall(scores, truth),
        "recall_when_built": index.recall,
        "build_cpu_s": spent,
        "bytes": n_bytes,
        "query_ms": single,
        "batch_query_ms": {key: value / _BATCH for key, value in batch.items()},
        "limit_ms": limit_ms,
        "limit_share": limit_ms / single["cpu_p50"] if limit_ms else None,
        "batch_limit_share": limit_ms / (batch["cpu_p50"] / _BATCH) if limit_ms else None,
    }
    return figures, scores


def _recall(found: Floats, truth: Floats) -> float:
    """Share of places with a vector as near as the true ones; of equal vectors any will do."""
    return float((found >= truth.min(axis=1, keepdims=True) - _EQUAL).mean())
