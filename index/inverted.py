"""Builds FAISS structures: exhaustive search for few vectors, an inverted file tuned for many."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.vectors import nearest

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# At 10, of the queries that the index is tuned on, so that those to come find .97.
_RECALL = 0.985
_LEAST_QUERIES = 32
_OWN_RECALL = 0.99  # of probes made of the stored vectors, which are found more easily
_OWN = 200
_NOISE = 2.0
_FOUND = 10
_EQUAL = 1e-5
# Beside twice as many lists or 100 vectors a centroid, on a million vectors of a trained model:
# the same recall at the same speed, and half the time to build.
_LISTS = 2.0  # times the root of the number of vectors
_PER_CENTROID = 40
_ROUNDS = 10


def build(ids: Ids, rows: Floats, queries: Floats, flat_up_to: int) -> tuple[Any, float]:
    """A FAISS index of the rows and its recall at 10 against exact search.

    Args:
        ids: of the rows.
        rows: vectors ``(n, d)``.
        queries: what was asked so far ``(m, d)``; the number of probed lists is chosen on them.
        flat_up_to: largest number of rows that is searched exhaustively.
    """
    faiss: Any = importlib.import_module("faiss")
    dimension = rows.shape[1]
    flat = faiss.IndexFlatIP(dimension)
    if len(ids) <= flat_up_to:
        built = faiss.IndexIDMap2(flat)
        built.add_with_ids(rows, ids)
        return built, 1.0
    lists = max(1, min(int(_LISTS * np.sqrt(len(ids))), len(ids) // 39))
    built = faiss.IndexIVFFlat(flat, dimension, lists, faiss.METRIC_INNER_PRODUCT)
    built.cp.seed = 1234
    built.cp.niter = _ROUNDS
    built.cp.min_points_per_centroid = 1
    sample = np.random.default_rng(0).permutation(len(ids))[: lists * _PER_CENTROID]
    built.train(rows[np.sort(sample)])
    # A hash table of places makes removal microseconds instead of a pass over all lists.
    built.set_direct_map_type(faiss.DirectMap.Hashtable)
    built.add_with_ids(rows, ids)
    return built, _tune(built, rows, queries)


def listed_for(lists: int) -> float:
    """For about how many vectors ``build`` makes so many lists."""
    return (lists / _LISTS) ** 2


def lists_of(built: Any) -> dict[str, NDArray[Any]]:
    """Vectors list after list, with the lists: what ``index.listed`` goes on with."""
    faiss: Any = importlib.import_module("faiss")
    lists, dimension = built.invlists, built.d
    ids, rows = [], []
    for number in range(built.nlist):
        size = lists.list_size(number)
        ids.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
        codes = faiss.rev_swig_ptr(lists.get_codes(number), 4 * size * dimension)
        rows.append(codes.copy().view(np.float32).reshape(size, dimension))
    return {
        "ids": np.concatenate(ids),
        "vectors": np.concatenate(rows),
        "starts": np.append(0, np.cumsum([len(each) for each in ids])),
        "centroids": built.quantizer.reconstruct_n(0, built.nlist),
        "probes": np.asarray([built.nprobe]),
    }


def _tune(built: Any, rows: Floats, queries: Floats) -> float:
    """Set the least number of probed lists that keeps recall; gives the recall reached."""
    wanted = _RECALL
    if len(queries) < _LEAST_QUERIES:
        queries, wanted = _own_queries(rows), _OWN_RECALL
    take = min(_FOUND, len(rows))
    # The score of the last of the best: of equal vectors any may be found.
    bound = nearest(rows, queries, take)[0].min(axis=1, keepdims=True) - _EQUAL
    low, high, reached = 1, int(built.nlist), 1.0
    while low < high:
        built.nprobe = (low + high) // 2 if high - low < low else min(2 * low, high - 1)
        recall = float((built.search(queries, take)[0] >= bound).mean())
        if recall >= wanted:
            high, reached = built.nprobe, recall
        else:
            low = built.nprobe + 1
    built.nprobe = high
    return reached


def _own_queries(rows: Floats) -> Floats:
    """Stored vectors with noise, for an index that nobody has asked yet."""
    sample = rows[:: max(1, len(rows) // _OWN)][:_OWN]
    noise = np.random.default_rng(0).standard_normal(sample.shape)
    return np.asarray(sample + _NOISE / np.sqrt(rows.shape[1]) * noise, np.float32)
