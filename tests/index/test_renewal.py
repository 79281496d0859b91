"""An index that outgrows its structure is built anew beside the old one."""

import importlib.util
import time

import numpy as np
import pytest

from index.ann import FaissIndex
from index.vectors import ExactIndex, nearest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="FAISS is not installed"
)
DIMENSION = 16


def unit(n, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def grown():
    """An inverted file of 3,000 that was first built for 200 exhaustively."""
    rows = unit(3000)
    index = FaissIndex(DIMENSION, flat_up_to=500)
    index.add(np.arange(200), rows[:200])
    index.search(rows[:1], 1)
    index.add(np.arange(200, 3000), rows[200:])
    return index, rows


def test_what_was_searched_exhaustively_becomes_an_inverted_file():
    index, rows = grown()
    assert index.search(rows[2500:2501], 1)[1].tolist() == [[2500]]
    index.settle()
    assert index.kind == "IVF"
    assert index.probes >= 1
    assert index.search(rows, 1)[1][:, 0].tolist() == list(range(3000))


def test_changes_during_the_building_are_kept():
    index, rows = grown()
    index.remove(np.asarray([7, 2999]))
    fresh = unit(2, seed=9)
    index.add(np.asarray([8, 5000]), fresh)
    index.settle()
    assert len(index) == 2999
    assert index.kind == "IVF"
    assert index.search(fresh, 1)[1].tolist() == [[8], [5000]]
    found = index.search(rows[[7, 8, 2999]], 3000)[1]
    assert not np.isin([7, 2999], found).any()


def test_an_addition_that_starts_the_building_does_not_wait_for_it():
    rows = unit(60_000)
    index = FaissIndex(DIMENSION, flat_up_to=30_000)
    index.add(np.arange(30_000), rows[:30_000])
    index.search(rows[:1], 1)
    before = time.thread_time()
    index.add(np.arange(30_000, 60_000), rows[30_000:])
    index.search(rows[:1], 1)
    own = time.thread_time() - before
    index.settle()
    assert index.kind == "IVF"
    assert own < 0.5


def test_real_queries_decide_how_many_lists_are_probed():
    rng = np.random.default_rng(1)
    rows = unit(5000)
    far = unit(64, seed=4)  # nothing like them is stored
    near = rows[:64] + 0.01 * rng.standard_normal((64, DIMENSION)).astype(np.float32)
    probes = []
    for queries in (near, far):
        index = FaissIndex(DIMENSION, flat_up_to=1000)
        index.add(np.arange(5000), rows)
        index.search(queries, 1)
        assert index.recall >= 0.97
        probes.append(index.probes)
    assert probes[0] <= probes[1]


def test_exact_search_in_blocks_is_exact_search_at_once():
    rows = np.tile(unit(40_000), (2, 1))[:70_000]
    queries = unit(3, seed=2)
    values, places = nearest(rows, queries, 5)
    whole = np.sort(queries @ rows.T, axis=1)[:, -5:]
    assert np.sort(values, axis=1) == pytest.approx(whole, abs=1e-6)
    assert (np.take_along_axis(queries @ rows.T, places, axis=1) == values).all()


def test_the_exact_index_keeps_the_last_of_equal_ids():
    index = ExactIndex(DIMENSION)
    index.add(np.asarray([1, 2]), unit(2))
    index.add(np.asarray([3, 3]), unit(2, seed=3))
    assert len(index) == 3
    assert index.known(np.asarray([3, 9])).tolist() == [3]
    assert index.vectors(np.asarray([3])) == pytest.approx(unit(2, seed=3)[1:])
